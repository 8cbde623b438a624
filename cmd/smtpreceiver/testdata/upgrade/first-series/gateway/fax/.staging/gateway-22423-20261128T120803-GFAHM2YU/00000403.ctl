[system]
type=fax
app=fax
id=00000403
subject=Pump 3
priority=normal
txt=00000403.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=403
address=403@fax
[attachments]
count=1
1=00000403_1_report.pdf
1_name=report.pdf
