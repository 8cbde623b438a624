[system]
type=fax
app=fax
id=00000103
subject=Pump 3
priority=normal
txt=00000103.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=103
address=103@fax
[attachments]
count=1
1=00000103_1_report.pdf
1_name=report.pdf
