#!/bin/bash
WAN=eth0; WAN_IP=111.11.1.42
LAN=eth1

# fixed source for the VPN, masquerade for the rest
iptables -t nat -A POSTROUTING -s 10.8.0.0/24 -o $WAN -j SNAT --to-source 111.11.1.43
iptables -t nat -A POSTROUTING -o $WAN -j MASQUERADE

# stateful filter
iptables -P FORWARD DROP
iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -i $LAN -o $WAN -j ACCEPT
iptables -A FORWARD -i $WAN -o $LAN -d 192.168.1.100 -p tcp --dport 22 -j ACCEPT

# a forward whose backend sees the router
iptables -t nat -A PREROUTING -i "$WAN" -p tcp --dport 2222 -j DNAT --to 192.168.1.100:22
iptables -t nat -A POSTROUTING -o "$LAN" -d 192.168.1.100 -p tcp --dport 22 -j SNAT --to 192.168.1.1

# transparent proxy; the proxy's own host is left alone
iptables -t nat -A PREROUTING -i ${LAN} -s 192.168.1.9 -p tcp --dport 80 -j ACCEPT
iptables -t nat -A PREROUTING -i ${LAN} -p tcp --dport 80 -j REDIRECT --to-port 8888
