[system]
type=fax
app=fax
id=00000401
subject=Pump 3
priority=normal
txt=00000401.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=401
address=401@fax
[attachments]
count=1
1=00000401_1_report.pdf
1_name=report.pdf
