# NAT loopback: the web server must be reached by its public address from inside, too
PUBLIC=166.227.96.166
LAN=192.168.0.0/24
SERVER=192.168.0.2

iptables -t nat -A PREROUTING -d $PUBLIC -p tcp --dport 80 -j DNAT --to-destination $SERVER:80
iptables -t nat -A POSTROUTING -s $LAN -d $SERVER -p tcp --dport 80 \
	-j SNAT --to-source 192.168.0.1
