#!/bin/sh
# Split access as LARTC has it, then rules of preference and routes of different metrics.
IF0=eth2; IF1=eth0; IF2=eth1
IP1=192.0.2.1; IP2=198.51.100.1
P1=192.0.2.254; P2=198.51.100.254
P1_NET=192.0.2.0/24; P2_NET=198.51.100.0/24
echo 200 T1 >> /etc/iproute2/rt_tables
echo 201 T2 >> /etc/iproute2/rt_tables
ip route add $P1_NET dev $IF1 src $IP1 table T1
ip route add default via $P1 table T1
ip route add $P2_NET dev $IF2 src $IP2 table T2
ip route add default via $P2 table T2
ip route add $P1_NET dev $IF1 src $IP1
ip route add $P2_NET dev $IF2 src $IP2
ip route add default via $P1
ip rule add from $IP1 table T1
ip rule add from $IP2 table T2
iptables -t nat -A POSTROUTING -o $IF1 -j SNAT --to-source $IP1
iptables -t nat -A POSTROUTING -o $IF2 -j SNAT --to-source $IP2
ip rule add from 192.168.0.0/24 table T1
ip rule add from 192.168.0.5 table T2
ip route add default via $P1 dev $IF1 metric 100
ip route add default via $P2 dev $IF2 metric 200
