iptables -t mangle -N MARK1
iptables -t mangle -A MARK1 -j MARK --set-mark 1
iptables -t mangle -A MARK1 -j CONNMARK --save-mark
iptables -t mangle -N MARK2
iptables -t mangle -A MARK2 -j MARK --set-mark 2
iptables -t mangle -A MARK2 -j CONNMARK --save-mark
iptables -t mangle -A PREROUTING -j CONNMARK --restore-mark
iptables -t mangle -A PREROUTING -m mark ! --mark 0 -j ACCEPT
iptables -t mangle -A PREROUTING -i eth0 -m state --state NEW -j MARK1
iptables -t mangle -A PREROUTING -i eth1 -m state --state NEW -j MARK2
iptables -t mangle -A PREROUTING -i eth2 -m state --state NEW -m statistic --mode nth --every 2 --packet 0 -j MARK1
iptables -t mangle -A PREROUTING -i eth2 -m state --state NEW -m statistic --mode nth --every 2 --packet 1 -j MARK2
iptables -t mangle -A PREROUTING -s 192.168.0.9 -m mark --mark 0 -j MARK --set-mark 1
iptables -t mangle -A PREROUTING -s 192.168.0.0/24 -m mark --mark 0 -j MARK --set-mark 2
ip route add table 1 default via 192.0.2.254 dev eth0
ip route add table 2 default via 198.51.100.254 dev eth1
ip rule add fwmark 1 table 1
ip rule add fwmark 2 table 2
iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE
iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE
