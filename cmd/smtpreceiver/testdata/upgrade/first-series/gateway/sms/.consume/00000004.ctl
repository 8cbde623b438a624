[system]
type=sms
app=sms
id=00000004
subject=Pump 3
priority=normal
txt=00000004.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=12
address=12@sms
