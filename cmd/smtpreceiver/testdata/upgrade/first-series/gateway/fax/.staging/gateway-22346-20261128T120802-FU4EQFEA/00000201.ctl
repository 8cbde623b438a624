[system]
type=fax
app=fax
id=00000201
subject=Pump 3
priority=normal
txt=00000201.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=201
address=201@fax
[attachments]
count=1
1=00000201_1_report.pdf
1_name=report.pdf
