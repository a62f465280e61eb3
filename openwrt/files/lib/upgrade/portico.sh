# SPDX-License-Identifier: GPL-2.0-or-later
# sysupgrade packs files as they lie there. The database is one whole file whenever nothing was changed for a second; what
# is in its log meanwhile belongs to one moment of it, and must never meet another. So: without the log, and when there is
# none. An upgrade stops the daemon for that, so that nothing can change while the archive is made; traffic goes on. A backup
# of a router that goes on running waits until the log is empty.

portico_conffiles() {
	local list="$1" db=/etc/portico/portico.db tries=10

	sed -i '/^\/*etc\/portico\/portico\.db-/d' "$list"
	[ "$CONF_BACKUP_LIST" != 1 ] && [ -e "$db" ] || return 0
	if [ -z "$NEED_IMAGE" ]; then
		/etc/init.d/portico stop
		until /usr/sbin/porticod --check >/dev/null 2>&1; do
			[ $((tries -= 1)) -gt 0 ] || break
			sleep 1
		done
	else
		while [ -s "$db-wal" ] && [ $((tries -= 1)) -gt 0 ]; do
			sleep 1
		done
	fi
	[ $tries -gt 0 ] || echo "Portico's database may not be whole; the state at its last start is in $db.good" >&2
	return 0
}

sysupgrade_init_conffiles="$sysupgrade_init_conffiles portico_conffiles"
