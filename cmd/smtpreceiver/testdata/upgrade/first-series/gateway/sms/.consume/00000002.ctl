[system]
type=sms
app=sms
id=00000002
subject=Pump 3
priority=normal
txt=00000002.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=10
address=10@sms
