[system]
type=fax
app=fax
id=00000101
subject=Pump 3
priority=normal
txt=00000101.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=101
address=101@fax
[attachments]
count=1
1=00000101_1_report.pdf
1_name=report.pdf
