A="$(
iptables -t nat -A PREROUTING -i eth1 -p tcp --dport ${A:-${B}} -j DNAT --to "192.168.0.4
