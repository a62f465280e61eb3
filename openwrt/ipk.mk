# SPDX-License-Identifier: GPL-2.0-or-later
# `make ipk ARCH=mips_24kc`: a package for opkg (OpenWrt 23.05 and 24.10) without OpenWrt's SDK, by Debian 12's compilers.
# ARCH is what `opkg print-architecture` says on the router. The binaries run on the router's musl and libnftnl, which
# every image with firewall4 has; all other libraries are inside, of Debian's sources. So one package serves releases
# whose mbedTLS, SQLite and libmicrohttpd differ.

ARCH ?= x86_64
IPK  := $(abspath $(BUILD)/ipk)
comma := ,

# Those that Debian's compiler, with its libgcc, can make programs for: compiler, Debian's name, flags. What libgcc does for
# atomics on ARM asks glibc what the processor is.
IPK_TARGET := $(or \
	$(if $(filter $(ARCH),x86_64),x86_64-linux-gnu amd64), \
	$(if $(filter $(ARCH),aarch64_generic aarch64_cortex-a53 aarch64_cortex-a72 aarch64_cortex-a76), \
		aarch64-linux-gnu arm64 -mno-outline-atomics), \
	$(if $(filter $(ARCH),arm_cortex-a5_vfpv4 arm_cortex-a7_vfpv4 arm_cortex-a7_neon-vfpv4 arm_cortex-a8_vfpv3 \
		arm_cortex-a9_neon arm_cortex-a9_vfpv3-d16 arm_cortex-a15_neon-vfpv4),arm-linux-gnueabihf armhf), \
	$(if $(filter $(ARCH),mips_24kc mips_4kec),mips-linux-gnu mips -mips32r2 -msoft-float), \
	$(if $(filter $(ARCH),mipsel_24kc mipsel_74kc),mipsel-linux-gnu mipsel -mips32r2 -msoft-float))
IPK_CC  := $(word 1,$(IPK_TARGET))
IPK_DEB := $(word 2,$(IPK_TARGET))
IPK_CPU := $(wordlist 3,9,$(IPK_TARGET))
IPK_SYS := $(IPK)/$(ARCH)/sysroot

DEPS_IPK := dpkg-dev tcl libnftnl-dev $(if $(filter x86_64,$(ARCH)),,gcc-$(IPK_CC) linux-libc-dev-$(IPK_DEB)-cross)
DEPS_TEST += $(DEPS_IPK)

IPK_MAKE = $(MAKE) $(PARALLEL) SAN= SMALL=1 BUILD=$(IPK)/$(ARCH)/portico ASSETS=$(ASSETS) \
	CC='$(IPK_CC)-gcc -specs=$(IPK_SYS)/musl.specs $(IPK_CPU)' AR=$(IPK_CC)-gcc-ar LDFLAGS='-L$(IPK_SYS)/lib -Wno-stringop-overflow' \
	PKG_CFLAGS= LIBS='-lmicrohttpd -lnl-3 -lnftnl -ljansson -lsqlite3 -lmbedcrypto -lcap \
	$(if $(findstring -msoft-float,$(IPK_CPU)),-Wl$(comma)--no-warn-mismatch$(comma)--no-as-needed -lgcc_s)'

ipk:
	@test -n '$(IPK_TARGET)' || { echo 'make ipk: ARCH=$(ARCH) is none of those in openwrt/ipk.mk'; exit 2; }
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_IPK)'
	@$(MAKE) --no-print-directory $(ASSETS) $(IPK_SYS)/ready
	@rm -rf $(IPK)/$(ARCH)/root
	@$(IPK_MAKE) install-openwrt DESTDIR=$(IPK)/$(ARCH)/root
	@STRIP=$(IPK_CC)-strip READELF=$(IPK_CC)-readelf openwrt/pack $(IPK)/$(ARCH)/root $(VERSION) $(ARCH) $(BUILD)

# As root, for the packet lab; programs of another architecture are loaded by qemu-user.
test-ipk: deps-test
	@$(MAKE) --no-print-directory deps-packages WANTED=qemu-user
	PORTICO_IPK_ARCH=$(ARCH) $(PYTHON) -m pytest -q -rs $(PYTEST_ARGS) tests/package/test_ipk.py

# Ready to run on a machine of that kind, whose files are in ROOT: tests/lab/musl.py.
ipk-to-run: ipk
	@rm -rf $(IPK)/$(ARCH)/to-run && mkdir -p $(IPK)/$(ARCH)/to-run/root
	@tar -xzOf $(BUILD)/portico_$(VERSION)-r*_$(ARCH).ipk ./data.tar.gz | tar -xz -C $(IPK)/$(ARCH)/to-run/root
	@$(PYTHON) tests/lab/musl.py $(IPK)/$(ARCH)/to-run/root $(IPK_SYS) $(IPK)/$(ARCH)/to-run \
		$(IPK_CC)-gcc $(IPK_CPU) --sysroot=$(abspath $(ROOT))

# The same with all libraries shared, for its size alone.
ipk-thin: ipk
	@rm -rf $(IPK)/$(ARCH)/thin && mkdir -p $(IPK)/$(ARCH)/thin/small
	@cp -a $(IPK)/$(ARCH)/portico/small/obj $(IPK)/$(ARCH)/thin/small
	@$(IPK_MAKE) BUILD=$(IPK)/$(ARCH)/thin LIBS=-Wl,--unresolved-symbols=ignore-all \
		install-openwrt DESTDIR=$(IPK)/$(ARCH)/thin/root
	@STRIP=$(IPK_CC)-strip READELF=$(IPK_CC)-readelf openwrt/pack $(IPK)/$(ARCH)/thin/root $(VERSION) $(ARCH) $(IPK)/$(ARCH)/thin

# docs/SIZE.md has what it found.
size: deps
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_LAB)'
	@for arch in x86_64 aarch64_cortex-a53 arm_cortex-a7_neon-vfpv4 mips_24kc mipsel_24kc; do $(MAKE) --no-print-directory ipk-thin ARCH=$$arch || exit 1; done
	$(PYTHON) tests/bench/bench.py size

# ---- sources and what is made of them ------------------------------------

# Debian's, whatever the mirror: the places that apt has packages from, asked for sources. Lists and files are our own,
# so that the machine's stay as they are.
IPK_PLACES = apt-get indextargets --format 'deb-src $$(REPO_URI) $$(RELEASE) $$(COMPONENT)' \
	'Identifier: Packages' 'Origin: Debian'
IPK_APT := -q -o Dir::Etc::sourcelist=$(IPK)/src/sources.list -o Dir::Etc::sourceparts=- -o APT::Sandbox::User=root \
	-o Dir::State::lists=$(IPK)/src/lists -o Dir::Cache=$(IPK)/src/cache
IPK_SOURCES := musl libmicrohttpd libnl3 mbedtls sqlite3 jansson libcap2

# What SQLite can do that the daemon never asks for. Some of it is grammar, so the parser is made without it as well.
IPK_SQLITE := $(addprefix -DSQLITE_,THREADSAFE=2 DEFAULT_MEMSTATUS=0 DQS=0 LIKE_DOESNT_MATCH_BLOBS TEMP_STORE=2 \
	MAX_EXPR_DEPTH=0 USE_ALLOCA $(addprefix OMIT_,AUTHORIZATION BLOB_LITERAL COMPLETE DECLTYPE DEPRECATED DESERIALIZE \
	EXPLAIN GET_TABLE INCRBLOB JSON LOAD_EXTENSION PROGRESS_CALLBACK SHARED_CACHE TCL_VARIABLE TRACE UTF16 WINDOWFUNC))

$(IPK)/src/sqlite3.c:
	@rm -rf $(@D) && mkdir -p $(@D)/lists/partial $(@D)/cache
	@$(IPK_PLACES) | grep -q . || apt-get update -q
	@$(IPK_PLACES) >$(@D)/sources.list
	$(call run,APT,apt-get $(IPK_APT) update >$(@D)/log)
	$(call run,APT,cd $(@D) && apt-get $(IPK_APT) source --only-source $(IPK_SOURCES) >>log 2>&1 || { tail log; exit 1; })
	@mkdir $(@D)/sqlite
	@cd $(@D)/sqlite && $(MAKE) -s -f ../sqlite3-*/main.mk TOP="$$(echo ../sqlite3-*/)" BCC=gcc OPTS='$(IPK_SQLITE)' \
		sqlite3.c >>../log 2>&1
	@mv $(@D)/sqlite/sqlite3.h $(@D)/sqlite/sqlite3.c $(@D)

$(IPK_SYS)/ready: $(IPK)/src/sqlite3.c openwrt/ipk.mk openwrt/sysroot.mk openwrt/mbedtls_config.h openwrt/soft_float.c
	@rm -rf $(@D) && mkdir -p $(@D)
	$(call run,MAKE,$(MAKE) $(PARALLEL) -f openwrt/sysroot.mk SRC=$(IPK)/src SYS=$(@D) TRIPLET=$(IPK_CC) CPU='$(IPK_CPU)' \
		SQLITE='$(IPK_SQLITE)' >$(@D).log 2>&1 || { tail $(@D).log; exit 1; })
	@touch $@

.PHONY: ipk test-ipk ipk-to-run ipk-thin size
