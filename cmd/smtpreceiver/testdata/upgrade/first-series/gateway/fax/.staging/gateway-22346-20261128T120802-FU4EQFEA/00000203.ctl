[system]
type=fax
app=fax
id=00000203
subject=Pump 3
priority=normal
txt=00000203.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=203
address=203@fax
[attachments]
count=1
1=00000203_1_report.pdf
1_name=report.pdf
