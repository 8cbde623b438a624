[system]
type=sms
app=sms
id=00000006
subject=Pump 3
priority=normal
txt=00000006.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=14
address=14@sms
