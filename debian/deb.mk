# SPDX-License-Identifier: GPL-2.0-or-later
# The Debian package: `make deb`. It is built in a copy of the tree that has the built page in it, as a release has.

DEPS_DEB := debhelper fakeroot libcmocka-dev $(if $(wildcard webui/assets.c),,$(NODE))
DEPS_TEST += $(DEPS_DEB) mmdebstrap lintian
DEPS_DEB_BOOT := qemu-system-x86 e2fsprogs

DEB_DIR  := $(abspath $(BUILD)/deb)
DEB_TREE := $(DEB_DIR)/portico-$(VERSION)
DEB_FILE  = $(DEB_DIR)/portico_$(VERSION)_$(shell dpkg --print-architecture).deb

deb:
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_BUILD) $(DEPS_DEB)'
	@[ "$$(dpkg-parsechangelog -S Version)" = $(VERSION) ] || { echo 'debian/changelog is not about $(VERSION)'; exit 1; }
	@$(MAKE) --no-print-directory $(DEB_DIR)/built
	@echo $(DEB_FILE)

# Without nocheck the unit and golden tests are run as well.
DEB_BUILD_OPTIONS ?= nocheck parallel=$(shell nproc)

# In an environment of its own: BUILD and the like are not for the make inside.
$(DEB_DIR)/built: $(ASSETS) $(shell find daemon db debian docs/man init -type f 2>/dev/null) Makefile
	rm -rf $(DEB_DIR)
	mkdir -p $(DEB_TREE)
	tar --exclude-vcs --exclude=node_modules --exclude=./build --exclude=./$(BUILD) -c . | tar -x -C $(DEB_TREE)
	cp $(ASSETS) $(DEB_TREE)/webui/assets.c
	cd $(DEB_TREE) && env -i PATH="$$PATH" DEB_BUILD_OPTIONS='$(DEB_BUILD_OPTIONS)' \
		dpkg-buildpackage -b -us -uc >../build.log 2>&1 || { tail -40 ../build.log; exit 1; }
	rm -rf $(DEB_TREE)
	@touch $@

# On a machine of its own with a real systemd: minutes.
test-deb-boot: deps-test
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_DEB_BOOT)'
	PORTICO_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -q -s $(PYTEST_ARGS) tests/package/boot.py

.PHONY: deb test-deb-boot
