# SPDX-License-Identifier: GPL-2.0-or-later
# What an OpenWrt package has, under DESTDIR. openwrt/Makefile and `make ipk` both pack this.

# As on the router; a file that is a program here is one there.
OPENWRT_FILES := $(shell cd openwrt/files && find . -type f | LC_ALL=C sort)

install-openwrt: all
	@test -n '$(DESTDIR)' || { echo 'install-openwrt: DESTDIR is empty: this is not OpenWrt'; exit 2; }
	install -D -m 755 $(PORTICOD) $(DESTDIR)/usr/sbin/porticod
	install -D -m 755 $(OUT)/portico $(DESTDIR)/usr/bin/portico
	cd openwrt/files && for f in $(OPENWRT_FILES:./%=%); do \
		if [ -x $$f ]; then mode=755; else mode=644; fi; \
		install -D -m $$mode $$f $(abspath $(DESTDIR))/$$f || exit 1; \
	done
	for chain in forward input; do \
		install -D -m 644 init/portico.nft $(DESTDIR)/usr/share/nftables.d/chain-pre/$$chain/portico.nft || exit 1; \
	done

# The scripts are run by the two shells that they may meet, the daemon from an unpacked root.
DEPS_TEST += busybox-static dash

test-openwrt: deps-test
	@$(MAKE) $(PARALLEL) SAN=1 all
	PORTICO_BUILD=$(abspath $(BUILD)/san) $(PYTHON) -m pytest -q -rs $(PYTEST_ARGS) $(wildcard tests/package/test_openwrt_*.py)

.PHONY: install-openwrt test-openwrt
