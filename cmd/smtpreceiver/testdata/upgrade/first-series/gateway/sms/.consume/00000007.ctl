[system]
type=sms
app=sms
id=00000007
subject=Pump 3
priority=normal
txt=00000007.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=15
address=15@sms
