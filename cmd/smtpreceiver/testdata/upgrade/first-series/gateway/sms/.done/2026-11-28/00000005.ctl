[system]
type=sms
app=sms
id=00000005
subject=Pump 3
priority=normal
txt=00000005.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=13
address=13@sms
