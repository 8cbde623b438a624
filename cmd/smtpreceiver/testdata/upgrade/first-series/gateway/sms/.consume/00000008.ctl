[system]
type=sms
app=sms
id=00000008
subject=Pump 3
priority=normal
txt=00000008.txt
format=txt
[from]
name=Petr Novak
username=petr
email=petr@example.com
gateway=s
smtp=petr@example.com
[to]
number=16
address=16@sms
