# Hairpin by the external address; two addresses of one uplink.
iptables -t nat -A PREROUTING -i eth0 -d 203.0.113.1 -p tcp -m multiport --dports 80,443 -j DNAT --to-destination 192.168.0.2
iptables -t nat -A PREROUTING -s 192.168.0.0/24 -d 203.0.113.1 -p tcp -m multiport --dports 80,443 -j DNAT --to-destination 192.168.0.2
iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -d 192.168.0.2 -p tcp -m multiport --dports 80,443 -j SNAT --to-source 203.0.113.1
iptables -t nat -A PREROUTING -d 203.0.113.2 -j DNAT --to-destination 192.168.0.9
iptables -t nat -A POSTROUTING -s 192.168.0.9 -o eth0 -j SNAT --to-source 203.0.113.2
iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE
iptables -t nat -A PREROUTING -p tcp --dport 2222 -j REDIRECT --to-ports 22
iptables -t nat -A POSTROUTING -s 192.168.0.0/24 -d 10.9.0.0/24 -j ACCEPT
iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8000:8010 -j DNAT --to-destination 192.168.0.2:9000
iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 8443 -j DNAT --to-destination :443
iptables -t nat -I PREROUTING -i eth0 -p udp --dport 1194 -m state --state NEW -j DNAT --to 192.168.0.7:1194 -m comment --comment "OpenVPN server"
