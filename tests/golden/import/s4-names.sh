# The same as it is told elsewhere: names for the tables, marks by address, the router's own sockets, both at once
echo "101 telecom" >> /etc/iproute2/rt_tables
echo 102 unicom >> /etc/iproute2/rt_tables
ip route add 1.1.1.0/24 dev eth0 src 1.1.1.1 table telecom
ip route add default via 1.1.1.254 table telecom
ip route add 2.2.2.0/24 dev eth1 src 2.2.2.2 table unicom
ip route add default via 2.2.2.254 table unicom
ip rule add from 1.1.1.1 table telecom
ip rule add from 2.2.2.2 table unicom
ip rule add fwmark 0x1 lookup telecom pref 100
ip rule add fwmark 0x2/0xff lookup unicom pref 101
ip rule add from all lookup main suppress_prefixlength 0 pref 99
ip route replace default scope global nexthop via 1.1.1.254 dev eth0 weight 1 nexthop via 2.2.2.254 dev eth1 weight 3
iptables -t mangle -A PREROUTING -d 1.1.1.1 -j MARK --set-mark 1
iptables -t mangle -A PREROUTING -d 2.2.2.2 -j MARK --set-mark 2
iptables -t mangle -A PREROUTING -j CONNMARK --save-mark
iptables -t nat -A PREROUTING -i eth0 -p tcp -m multiport --dports 80,443,8000:8100 -j DNAT --to-destination 192.168.0.2
iptables -t nat -A PREROUTING -i eth1 -p tcp -m multiport --dports 80,443,8000:8100 -j DNAT --to-destination 192.168.0.2
iptables -t nat -A POSTROUTING -o eth0 -j SNAT --to-source 1.1.1.1
iptables -t nat -A POSTROUTING -o eth1 -j SNAT --to-source 2.2.2.2
# the mail server always goes by the second
iptables -t mangle -A PREROUTING -s 192.168.0.25 -p tcp --dport 25 -j MARK --set-mark 2
ip rule add from 192.168.0.50 table unicom
