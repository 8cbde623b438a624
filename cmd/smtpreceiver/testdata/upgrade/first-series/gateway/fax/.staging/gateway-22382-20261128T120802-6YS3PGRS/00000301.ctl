[system]
type=fax
app=fax
id=00000301
subject=Pump 3
priority=normal
txt=00000301.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=301
address=301@fax
[attachments]
count=1
1=00000301_1_report.pdf
1_name=report.pdf
