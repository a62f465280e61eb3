# SPDX-License-Identifier: GPL-2.0-or-later
# What an OpenWrt package has, under DESTDIR. openwrt/Makefile and `make ipk` both pack this.

# As on the router; a file that is a program here is one there.
OPENWRT_FILES := $(shell cd openwrt/files && find . -type f | LC_ALL=C sort)

install-openwrt: all
	@test -n '$(DESTDIR)' || { echo 'install-openwrt: DESTDIR is empty: this is not OpenWrt'; exit 2; }
	install -D -m 755 $(OUT)/porticod $(DESTDIR)/usr/sbin/porticod
	install -D -m 755 $(OUT)/portico $(DESTDIR)/usr/bin/portico
	cd openwrt/files && for f in $(OPENWRT_FILES:./%=%); do \
		if [ -x $$f ]; then mode=755; else mode=644; fi; \
		install -D -m $$mode $$f $(abspath $(DESTDIR))/$$f || exit 1; \
	done
	for chain in forward input; do \
		install -D -m 644 init/portico.nft $(DESTDIR)/usr/share/nftables.d/chain-pre/$$chain/portico.nft || exit 1; \
	done

.PHONY: install-openwrt
