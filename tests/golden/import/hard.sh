#!/bin/sh
# What a script can be like.
IPT="/sbin/iptables -w 5"; export IPT
LAN_IF='br-lan'
WAN_IP=$(curl -s https://example.net/ip)
UNUSED=${OTHER:-none}
modprobe nf_conntrack_ftp
$IPT -t nat -F && $IPT -F; $IPT -X
iptables -t nat -A PREROUTING -i ppp0 -p tcp --dport http -j DNAT --to 192.168.0.2   # by name
sudo iptables -t nat -I PREROUTING 1 -i ppp0 -p tcp --dport 81 -j DNAT --to 192.168.0.2:80 2>/dev/null
$IPT -t nat -A PREROUTING -i ppp0 -p tcp -d $WAN_IP --dport 82 -j DNAT --to 192.168.0.2:80
$IPT -t nat -A PREROUTING -i ppp0 -p tcp --dport $NOT_SET -j DNAT --to 192.168.0.2:80
iptables -t nat -A PREROUTING -i ppp0 -p tcp --dport 83 -j DNAT --to "192.168.0.2:80"
iptables -t nat -D PREROUTING -i ppp0 -p tcp --dport 83 -j DNAT --to "192.168.0.2:80"
iptables -t nat -D PREROUTING -i ppp0 -p tcp --dport 84 -j DNAT --to 192.168.0.2 || true
for port in 90 91; do
	iptables -t nat -A PREROUTING -i ppp0 -p tcp --dport $port -j DNAT --to 192.168.0.2
done
if [ -n "$LAN_IF" ]; then
	iptables -t nat -A POSTROUTING -o $LAN_IF -s 192.168.0.0/255.255.255.0 -d 192.168.0.0/24 -j MASQUERADE
fi
open_port() {
	iptables -t nat -A PREROUTING -i ppp0 -p $1 --dport $2 -j DNAT --to 192.168.0.3
}
open_port tcp 100
iptables -t nat -A PREROUTING -i ppp0 -p udp -m udp --dport 6000:6010 -j DNAT --to-destination 192.168.0.4:7000-7010/6000
iptables -t nat -A PREROUTING -i ppp0 -p udp --dport=6100 -s ! 10.0.0.0/8 -j DNAT --to-destination=192.168.0.4
iptables -t nat -A PREROUTING -i ppp0 -p udp --dport 6200 -j DNAT --to-destination 192.168.0.4-192.168.0.6
iptables -t nat -A PREROUTING -i ppp0 -p udp --dport 6201 -j DNAT --to-destination 127.0.0.1
iptables -t nat -A PREROUTING -i ppp0 -ptcp --dport 6202 -jDNAT --to-destination 192.168.0.4
iptables -t nat -A PREROUTING -i ppp0 -s host.example -p udp --dport 6203 -j DNAT --to-destination 192.168.0.4
iptables -t nat -A PREROUTING -i ppp0 -p udp --dport 6204 -m time --timestart 08:00 -j DNAT --to-destination 192.168.0.4
iptables -t nat -A PREROUTING -i ppp0 -p tcp --dport 6205 -m recent --name x --rcheck -j DNAT --to-destination 192.168.0.4
iptables -t nat -A PREROUTING -i br-lan -d 203.0.113.1 -p tcp --dport 80 -j DNAT --to 192.168.0.2
iptables -t nat -A PREROUTING -i br-lan -p udp --dport 53 -j DNAT --to 192.168.0.7
iptables -t nat -A OUTPUT -d 203.0.113.1 -p tcp --dport 80 -j DNAT --to 192.168.0.2
iptables -t nat -A POSTROUTING -j MASQUERADE
iptables -t nat -A unused -p tcp --dport 80 -j DNAT --to 192.168.0.2
iptables -t nat -A loop1 -j loop2
iptables -t nat -A loop2 -j loop1
iptables -t nat -A PREROUTING -j loop1
iptables -t nat -A PREROUTING -i ppp0 -p tcp --dport 6300 -j NETMAP --to 192.168.0.0/24
iptables -t nat -A PREROUTING -i ppp0 -p tcp --dport
iptables -t nat -A
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -L -n -v
ip6tables -A FORWARD -i ppp0 -d 2001:db8::2 -p tcp --dport 443 -j ACCEPT
ip6tables -t nat -A PREROUTING -i ppp0 -p tcp --dport 8443 -j DNAT --to-destination [2001:db8::3]:443
iptables-restore <<EOT
*nat
-A PREROUTING -i ppp0 -p tcp -m tcp --dport 7777 -j DNAT --to-destination 192.168.0.8
COMMIT
EOT
nft add rule ip nat prerouting tcp dport 80 dnat to 192.168.0.2
iptables -t nat -A PREROUTING -i ppp0 -j DNAT --to-destination 192.168.0.99
