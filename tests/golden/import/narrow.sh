# Rules that say less than they seem to, or more than an object can.
iptables -P FORWARD DROP
iptables -A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT
iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 2222 -j DNAT --to-destination 192.168.0.2:22
iptables -A FORWARD -i eth0 -p tcp -s 198.51.100.7 -d 192.168.0.2 --dport 22 -j ACCEPT
iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.2
iptables -A FORWARD -p tcp -d 192.168.0.2 --dport 80 -j ACCEPT
iptables -A FORWARD -i eth1 -o eth0 -j ACCEPT
iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -o eth0 -j SNAT --to-source 203.0.113.1
iptables -t nat -A POSTROUTING -s 192.168.0.0/24 ! -d 10.9.0.0/24 -o eth0 -j MASQUERADE
iptables -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-port 80
iptables -t nat -A PREROUTING -i br-lan -s 192.168.0.64/26 -p tcp --dport 81 -j REDIRECT --to-port 3128
iptables -t nat -A PREROUTING -i br-lan -p tcp --dport 82 -j REDIRECT --to-ports 3128-3130
iptables -t nat -A PREROUTING -m mark --mark 7 -i br-lan -p tcp --dport 83 -j REDIRECT --to-ports 3128
iptables -t nat -A OUTPUT -p tcp --dport 80 -j REDIRECT --to-ports 3128
iptables -t nat -A OUTPUT -d 9.9.9.9 -p tcp --dport 80 -j DNAT --to-destination 192.168.0.99
iptables -t nat -A PREROUTING -i br-lan -d 203.0.113.1 -p tcp --dport 81 -j DNAT --to-destination 192.168.0.2:81
iptables -t nat -A PREROUTING -i eth0 -d 203.0.113.77 -p tcp --dport 8443 -j DNAT --to-destination 192.168.0.3
iptables -t nat -A PREROUTING -d 203.0.113.1 -p tcp --dport 9000 -j DNAT --to-destination 192.168.0.3
iptables -t nat -A PREROUTING -d 203.0.113.2 -p tcp --dport 9000 -j DNAT --to-destination 192.168.0.4
iptables -t nat -A POSTROUTING -m mark --mark 3 -o eth0 -j SNAT --to-source 203.0.113.2
iptables -t nat -A PREROUTING -i eth0 -s 198.51.100.9 -p tcp --dport 7000 -j DNAT --to-destination 192.168.0.5
iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 7000 -j DNAT --to-destination 192.168.0.6
iptables -t nat -A PREROUTING -i eth0 -p tcp -m tcp --dport 21 -m limit --limit 3/min -j DNAT --to-destination 192.168.0.5
iptables -t nat -N PROXY
iptables -t nat -A PROXY -m addrtype --dst-type LOCAL -j RETURN
iptables -t nat -A PROXY -d 10.0.0.0/8,172.16.0.0/12 -j RETURN
iptables -t nat -A PROXY -d 192.0.2.7 -p tcp --dport 443 -j RETURN
iptables -t nat -A PROXY -p tcp --dport 84 -j REDIRECT --to-ports 3128
iptables -t nat -A PREROUTING -i br-lan -j PROXY
