iptables -t nat -A PREROUTING -i eth1 -p 99 -j DNAT --to-destination 192.168.0.4
