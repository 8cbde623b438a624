[system]
type=fax
app=fax
id=00000303
subject=Pump 3
priority=normal
txt=00000303.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=303
address=303@fax
[attachments]
count=1
1=00000303_1_report.pdf
1_name=report.pdf
