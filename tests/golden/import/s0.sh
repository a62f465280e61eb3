#!/bin/sh
# follow one packet through a forward
echo 1 > /proc/sys/net/ipv4/ip_forward
iptables -t nat -A PREROUTING -p tcp -d 192.168.18.58 --dport 8888 -j DNAT --to-destination 192.168.2.73:9999
iptables -A FORWARD -p tcp -d 192.168.2.73 --dport 9999 -j ACCEPT
