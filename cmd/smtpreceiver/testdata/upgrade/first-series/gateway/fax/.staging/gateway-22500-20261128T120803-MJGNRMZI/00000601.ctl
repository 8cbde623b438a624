[system]
type=fax
app=fax
id=00000601
subject=Pump 3
priority=normal
txt=00000601.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=601
address=601@fax
[attachments]
count=1
1=00000601_1_report.pdf
1_name=report.pdf
