[system]
type=sms
app=sms
id=00000003
subject=Pump 3
priority=normal
txt=00000003.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=11
address=11@sms
