[system]
type=fax
app=fax
id=00000001
subject=Pump 3
priority=normal
txt=00000001.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=1
address=1@fax
[attachments]
count=1
1=00000001_1_report.pdf
1_name=report.pdf
