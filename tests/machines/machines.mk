# SPDX-License-Identifier: GPL-2.0-or-later
# The same code on other processors, kernels and versions of the libraries: see README.md beside this.

MACHINES ?= arm64 armhf mipsel s390x
AT       := $(BUILD)/machines

# Debian's release here, and what to link with of any other release or architecture.
DEBIAN    = $(shell . /etc/os-release && echo $$VERSION_CODENAME)
LIBRARIES = libc6-dev libcmocka-dev $(filter lib%-dev,$(DEPS_BUILD))

# ---- other processors ----------------------------------------------------

# What dpkg-architecture calls a machine: its compiler, its emulator and its folder of libraries.
dpkg_name = $(shell dpkg-architecture -f -a$(1) -qDEB_HOST_$(2) 2>/dev/null)

DEPS_CROSS = qemu-user dpkg-dev $(foreach m,$(MACHINES),gcc-$(call dpkg_name,$(m),GNU_TYPE))

$(AT)/%/root.done: tests/machines/unpack
	$(call run,UNPACK,$< $(AT)/$*/root $* $(DEBIAN) $(LIBRARIES))
	@touch $@

# Some undefined behaviour (shifts, sizes) depends on the word size. Debian's compiler for mipsel cannot watch it.
undefined = $(if $(filter-out mipsel,$(1)),-fsanitize=undefined -fno-sanitize-recover=all -static-libubsan)

# $(call cross,MACHINE): make, for that machine.
cross = $(MAKE) $(PARALLEL) BUILD=$(AT)/$(1) ASSETS=$(ASSETS) WERROR=1 \
	CC='$(call dpkg_name,$(1),GNU_TYPE)-gcc --sysroot=$(abspath $(AT)/$(1)/root)' \
	PKG_CONFIG='env PKG_CONFIG_SYSROOT_DIR=$(abspath $(AT)/$(1)/root) \
		PKG_CONFIG_LIBDIR=$(abspath $(AT)/$(1)/root)/usr/lib/$(call dpkg_name,$(1),MULTIARCH)/pkgconfig $(PKG_CONFIG)' \
	MODE='-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 $(call undefined,$(1))'

CROSS := $(MACHINES:%=cross-%)

test-cross: deps-test
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_CROSS)'
	@$(MAKE) --no-print-directory -k $(CROSS)

$(CROSS): cross-%: $(AT)/%/root.done $(ASSETS)
	@echo '$*:'
	@$(call cross,$*) all run-checks \
		EMULATOR='env PORTICO_EMULATED=1 qemu-$(call dpkg_name,$*,GNU_CPU) -L $(AT)/$*/root'

# ---- other versions of the libraries -------------------------------------

# Debian 13's, as OpenWrt 24.10 and later have them: mbedTLS 3.6 and libmicrohttpd 1.0.
NEWER      := trixie
NATIVE      = $(shell dpkg --print-architecture)
NEWER_ROOT  = $(abspath $(AT)/$(NEWER)/root)
NEWER_LIB   = $(NEWER_ROOT)/usr/lib/$(call dpkg_name,$(NATIVE),MULTIARCH)
LIBRARY_TESTS ?= tests/api $(addprefix tests/net/test_,$(addsuffix .py,kernel probe forwards s0 s4))

$(AT)/$(NEWER)/root.done: tests/machines/unpack
	$(call run,UNPACK,$< $(AT)/$(NEWER)/root $(NATIVE) $(NEWER) $(LIBRARIES) libasan8 libubsan1)
	@touch $@

# Found first in the PATH, so that tests which compile something use them too. What they make runs with that
# release's libc and loader, which is found by its path: nothing is installed.
$(AT)/$(NEWER)/bin/cc: $(AT)/$(NEWER)/root.done tests/machines/machines.mk
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nexec /usr/bin/gcc --sysroot=%s "$$@" -L%s -Wl,%s,-rpath,%s,--disable-new-dtags\n' \
		$(NEWER_ROOT) $(NEWER_LIB) --dynamic-linker=$$(echo $(NEWER_ROOT)/lib*/ld-linux*.so.?) $(NEWER_LIB) >$@
	@printf '#!/bin/sh\nexport PKG_CONFIG_SYSROOT_DIR=%s PKG_CONFIG_LIBDIR=%s\nexec /usr/bin/pkg-config "$$@"\n' \
		$(NEWER_ROOT) $(NEWER_LIB)/pkgconfig >$(@D)/pkg-config
	@chmod +x $@ $(@D)/pkg-config
	@ln -sf cc $(@D)/gcc

test-libraries: deps-test
	@$(MAKE) --no-print-directory $(AT)/$(NEWER)/bin/cc $(ASSETS)
	PATH=$(abspath $(AT)/$(NEWER)/bin):$$PATH $(MAKE) $(PARALLEL) BUILD=$(AT)/$(NEWER) ASSETS=$(ASSETS) SAN=1 WERROR=1 \
		all drivers run-checks
	PATH=$(abspath $(AT)/$(NEWER)/bin):$$PATH PORTICO_BUILD=$(abspath $(AT)/$(NEWER))/san \
		$(PYTHON) -m pytest -q -rs $(PYTEST_ARGS) $(LIBRARY_TESTS)

# ---- other kernels -------------------------------------------------------

# Debian's kernels of several releases in qemu, with this machine's own root file system. The tests are those of namespaces
# and packets that run everywhere.
DEPS_VM   := qemu-system-x86 seabios kmod cpio xz-utils
KERNELS   ?= bullseye bookworm trixie
# nft takes longer here to list 20,000 elements than the test would wait.
VM_TESTS  ?= tests/machines/test_devices.py $(addprefix tests/net/test_,$(addsuffix .py,kernel s0)) -k "not large_maps"

$(AT)/vm-%.done: tests/machines/unpack
	$(call run,UNPACK,$< $(AT)/vm-$* amd64 $* linux-image-amd64 busybox-static)
	@touch $@

# $(call in_vm,BUILD,TESTS): runs them in a virtual machine.
in_vm = PORTICO_BUILD=$(abspath $(1)) python3 -m pytest -q -rs -p no:cacheprovider --color=no $(PYTEST_ARGS) $(2)

test-vm: deps-test
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_VM)'
	@$(MAKE) $(PARALLEL) $(KERNELS:%=$(AT)/vm-%.done) all drivers
	@failed=; for kernel in $(KERNELS); do echo "$$kernel:"; \
		tests/machines/vm amd64 $(AT)/vm-$$kernel / 'uname -r; modprobe br_netfilter; $(call in_vm,$(BUILD),$(VM_TESTS))' || \
			failed="$$failed $$kernel"; \
	done; [ -z "$$failed" ] || { echo "test-vm: FAILED:$$failed"; exit 1; }

# ---- other processors, with their kernels --------------------------------

# By Debian's name of the machine: its kernel, the package with its emulator, and what OpenWrt calls such routers.
MACHINE_arm64  := linux-image-arm64     qemu-system-arm  aarch64_cortex-a53
MACHINE_armhf  := linux-image-armmp     qemu-system-arm  arm_cortex-a7_neon-vfpv4
MACHINE_mipsel := linux-image-4kc-malta qemu-system-mips mipsel_24kc
MACHINE_s390x  := linux-image-s390x     qemu-system-misc

DEPS_MACHINES   = $(DEPS_CROSS) kmod cpio $(foreach m,$(MACHINES),$(word 2,$(MACHINE_$(m))))
MACHINE_TESTS  ?= $(addprefix tests/net/test_,$(addsuffix .py,kernel listing probe s0 s1 s4)) -k "not test_s4 or 2-uplinks"
# The same, of what `make ipk` makes for such a router.
PACKAGE_TESTS  ?= tests/net/test_s0.py
# Of the unit tests those that have to do with the kernel; all of them run under qemu-user.
machine_units   = $(patsubst $(BUILD)/%,$(AT)/$(1)/%,$(filter $(addprefix $(CHECK)/test_,edge% kernel% loop probe% worker),$(UNIT)))
# What is on the machine, unpacked.
PROGRAMS := busybox-static bash coreutils dash findutils grep sed util-linux procps kmod iproute2 nftables conntrack \
	iptables python3-pytest python3-jsonschema

$(MACHINES:%=$(AT)/vm-%.done): $(AT)/vm-%.done: tests/machines/unpack
	$(call run,UNPACK,$< $(AT)/vm-$* $* $(DEBIAN) $(firstword $(MACHINE_$*)) $(PROGRAMS) $(LIBRARIES))
	@id=0; for u in root portico portico-edge; do echo "$$u:x:$$id:$$id::/:/bin/sh" >>$(AT)/vm-$*/etc/passwd; \
		echo "$$u:x:$$id:" >>$(AT)/vm-$*/etc/group; id=$$((id + 990)); done
	@# As an installed Debian has it: there it takes ten seconds a start.
	@$(PYTHON) -m compileall -q -s $(AT)/vm-$* $(AT)/vm-$*/usr/lib/python3*
	@touch $@

test-machines: deps-test
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_MACHINES)'
	@$(MAKE) --no-print-directory -k $(MACHINES:%=machine-%)

$(MACHINES:%=machine-%): machine-%: $(AT)/vm-%.done $(AT)/%/root.done $(ASSETS)
	@echo '$*:'
	@$(call cross,$*) all drivers $(call machine_units,$*)
	@$(if $(word 3,$(MACHINE_$*)),$(MAKE) --no-print-directory ipk-to-run ARCH=$(word 3,$(MACHINE_$*)) ROOT=$(AT)/vm-$*)
	tests/machines/vm $* $(AT)/vm-$* $(AT)/vm-$* '\
		uname -mr; modprobe br_netfilter; \
		for t in $(call machine_units,$*); do \
			$$t >/tmp/log 2>&1 && echo "ok $${t##*/}" || { cat /tmp/log; echo "FAILED $${t##*/}"; failed=1; }; \
		done; \
		$(call in_vm,$(AT)/$*,$(MACHINE_TESTS)) || failed=1; \
		$(if $(word 3,$(MACHINE_$*)),echo "the package for $(word 3,$(MACHINE_$*)):"; \
			$(call in_vm,$(IPK)/$(word 3,$(MACHINE_$*))/to-run,$(PACKAGE_TESTS)) || failed=1;) \
		[ ! "$$failed" ]'

# At least once for each release.
test-bigendian:
	@$(MAKE) --no-print-directory test-machines MACHINES=s390x

.PHONY: test-cross $(CROSS) test-libraries test-vm test-machines $(MACHINES:%=machine-%) test-bigendian
