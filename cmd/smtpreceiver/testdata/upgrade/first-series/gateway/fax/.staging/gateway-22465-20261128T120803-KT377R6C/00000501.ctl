[system]
type=fax
app=fax
id=00000501
subject=Pump 3
priority=normal
txt=00000501.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=501
address=501@fax
[attachments]
count=1
1=00000501_1_report.pdf
1_name=report.pdf
