#!/bin/bash
# two providers: port 80 of both addresses leads to 192.168.0.2
# ISP 1: eth0 1.1.1.1 via 1.1.1.254; ISP 2: eth1 2.2.2.2 via 2.2.2.254; LAN: eth2 192.168.0.1
IP1=1.1.1.1
IP2=2.2.2.2
SERVER=192.168.0.2

iptables -t nat -A PREROUTING -d $IP1 -p tcp --dport 80 -j DNAT --to-destination $SERVER:80
iptables -t nat -A PREROUTING -d $IP2 -p tcp --dport 80 -j DNAT --to-destination $SERVER:80

# the server has another default gateway, so it must see us
iptables -t nat -A POSTROUTING -d $SERVER -p tcp --dport 80 -j SNAT --to-source 192.168.0.1

# which ISP did the connection come by?
iptables -t mangle -A PREROUTING -i eth0 -m conntrack --ctstate NEW -j CONNMARK --set-mark 1
iptables -t mangle -A PREROUTING -i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-mark 2
iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark
iptables -t mangle -A OUTPUT -j CONNMARK --restore-mark

ip route add default via 1.1.1.254 dev eth0 table 101
ip route add default via 2.2.2.254 dev eth1 table 102
ip rule add fwmark 1 table 101
ip rule add fwmark 2 table 102
ip route flush cache
