# SPDX-License-Identifier: GPL-2.0-or-later
# `make help` tells what there is.

VERSION := 0.1.0
PREFIX  ?= /usr
UNITDIR ?= $(PREFIX)/lib/systemd/system
BUILD   ?= build
# SAN=1 builds the same with the address and undefined-behaviour sanitizers, SMALL=1 for flash of a few megabytes: each in a
# folder of its own.
OUT     := $(BUILD)$(if $(SAN),/san)$(if $(SMALL),/small)
PYTHON  ?= /usr/bin/python3
PYTEST_ARGS ?=

ifneq ($(SMALL),)
CFLAGS     ?= -Os -flto=auto -ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables
SMALL_LDFLAGS := -Wl,--gc-sections
endif
CFLAGS     ?= -O2 -g
PKG_CONFIG ?= pkg-config

PACKAGES := libmicrohttpd libnl-3.0 libnftnl jansson sqlite3
# Asked for once, and only when something is compiled: `make deps` must work without pkg-config.
PKG_CFLAGS = $(eval PKG_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(PACKAGES))))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES)))$(PKG_LIBS)
LIBS       = $(PKG_LIBS) -lmbedtls -lmbedx509 -lmbedcrypto -lcap -lm -pthread

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wvla
ifneq ($(or $(WERROR),$(CI)),)
WARNINGS += -Werror
endif
ifneq ($(SAN),)
MODE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
MODE := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
# On 32 bits glibc's time ends in 2038, unless asked otherwise; the other is what that asks for in turn.
TIME64     := -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64
ALL_CFLAGS  = -std=gnu11 $(CFLAGS) -D_GNU_SOURCE $(TIME64) -DPORTICO_VERSION='"$(VERSION)"' -Idaemon $(PKG_CFLAGS) \
	$(WARNINGS) -fstack-protector-strong -fPIE $(MODE) -pthread -MMD -MP
ALL_LDFLAGS = $(MODE) $(SMALL_LDFLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# $(call run,WORD,COMMAND): V=1 shows the commands.
run = $(if $(V),,@printf '  %-6s %s\n' $(1) $@ &&) $(2)

# On all processors, unless -j says otherwise.
PARALLEL = --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

# ---- what is built -------------------------------------------------------

sources = $(sort $(wildcard $(addsuffix /*.c,$(1))))
objects = $(patsubst %.c,$(OUT)/obj/%.o,$(1))

# Without kernel, clock, files or network: what these folders say is a function of what they are given.
PURE_SOURCES := $(call sources,$(addprefix daemon/,base model import export))
PURE   := $(call objects,$(PURE_SOURCES))
DAEMON := $(PURE) $(call objects,$(call sources,$(addprefix daemon/,kernel store engine edge web)))
CLI    := $(call objects,$(call sources,daemon/cli))
MAIN   := $(OUT)/obj/daemon/main.o

# WITHOUT="import export metrics" leaves these out of the daemon: no operation of the API leads to them, /status does not name
# them among the features, and the page does not offer them.
space    := $() $()
OPTIONAL := import export metrics
ifneq ($(filter-out $(OPTIONAL),$(WITHOUT)),)
$(error WITHOUT can be some of: $(OPTIONAL))
endif
LEFT_OUT := $(call objects,$(wildcard $(foreach w,$(WITHOUT),daemon/$(w)/*.c daemon/web/$(w).c)))
PORTICOD := $(OUT)/$(if $(WITHOUT),without-$(subst $(space),-,$(sort $(WITHOUT)))/)porticod

# A release has the page ready made.
ASSETS ?= $(or $(wildcard webui/assets.c),$(BUILD)/webui/assets.c)

all: $(PORTICOD) $(OUT)/portico

$(PORTICOD): $(MAIN) $(filter-out $(LEFT_OUT),$(DAEMON)) $(OUT)/obj/assets.o
	@mkdir -p $(@D)
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS))

$(OUT)/portico: $(CLI) $(OUT)/pure.a
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS))

$(OUT)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(ALL_CFLAGS) -c -o $@ $<)

$(OUT)/obj/assets.o: $(ASSETS) Makefile
	@mkdir -p $(@D)
	$(call run,CC,$(CC) $(ALL_CFLAGS) -c -o $@ $<)

# Files that are embedded with .incbin are unknown to -MMD.
$(filter $(OUT)/obj/daemon/store/%,$(DAEMON)): $(wildcard db/*.sql db/migrations/*.sql)
$(filter $(OUT)/obj/daemon/web/%,$(DAEMON)): $(wildcard daemon/web/*.json)

# Thin archives: members of the same name in different folders stay apart.
$(OUT)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call run,AR,$(AR) rcsT $@ $^)

$(OUT)/pure.a: $(PURE)
$(OUT)/daemon.a: $(DAEMON) $(filter-out %/main.o,$(CLI))
$(OUT)/fakes.a: $(call objects,$(filter-out tests/unit/test_%,$(call sources,tests/unit)))

-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)

# ---- the page ------------------------------------------------------------

WEBUI_SOURCES := $(shell find webui/src webui/*.mjs webui/*.json -type f 2>/dev/null)

$(BUILD)/webui/assets.c: $(WEBUI_SOURCES) webui/node_modules/.package-lock.json
	$(call run,WEBUI,npm --silent --prefix webui run build -- --out $(abspath $(@D)))

webui/node_modules/.package-lock.json: webui/package-lock.json
	npm --prefix webui ci --no-audit --no-fund
	@touch $@

# ---- tests ---------------------------------------------------------------

CHECK  := $(BUILD)/check
UNIT   := $(filter $(CHECK)/test_%,$(patsubst tests/unit/%.c,$(CHECK)/%,$(call sources,tests/unit)))
GOLDEN := $(if $(wildcard tests/golden/*.c),$(CHECK)/golden)

$(UNIT): $(CHECK)/%: $(OUT)/obj/tests/unit/%.o $(OUT)/fakes.a $(OUT)/daemon.a
	@mkdir -p $(@D)
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcmocka)

# No library but the JSON one: what model/ calls beyond itself and base/ does not link.
$(CHECK)/golden: $(call objects,$(call sources,tests/golden)) $(OUT)/pure.a
	@mkdir -p $(@D)
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) -o $@ $^ -ljansson)

# Targets for fuzzing. In the check they run on their corpus and on what is made of it at random.
FUZZ   := $(patsubst tests/fuzz/%.c,$(CHECK)/%,$(wildcard tests/fuzz/fuzz_*.c))
CORPUS_fuzz_import := tests/golden/import tests/fuzz/corpus/import
CORPUS_fuzz_backup := tests/api/backups tests/fuzz/corpus/backup
FUZZ_S ?= 60

$(FUZZ): $(CHECK)/%: $(OUT)/obj/tests/fuzz/%.o $(OUT)/obj/tests/fuzz/corpus.o $(OUT)/pure.a
	@mkdir -p $(@D)
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS))

# Programs that the tests of tests/net drive.
DRIVERS := $(patsubst tests/net/%.c,$(OUT)/%,$(wildcard tests/net/*.c))

$(DRIVERS): $(OUT)/%: $(OUT)/obj/tests/net/%.o $(OUT)/daemon.a
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS))

# What the bench needs beside the daemon.
BENCH := $(patsubst tests/bench/%.c,$(OUT)/%,$(wildcard tests/bench/*.c))

$(BENCH): $(OUT)/%: $(OUT)/obj/tests/bench/%.o
	$(call run,LINK,$(CC) $(ALL_LDFLAGS) -o $@ $^)

check:
	@$(MAKE) $(PARALLEL) SAN=1 run-checks

run-checks: $(UNIT) $(GOLDEN) $(FUZZ)
	@failed=; for t in $(UNIT) $(GOLDEN:%=%:tests/golden) \
			$(foreach f,$(FUZZ),$(f):$(subst $(space),:,$(CORPUS_$(notdir $(f))))); do \
		program=$${t%%:*}; name=$${program##*/}; \
		if $(EMULATOR) $$program $$(echo "$${t#$$program}" | tr : ' ') >$$program.log 2>&1; \
		then echo "ok      $$name"; else cat $$program.log; echo "FAILED  $$name"; failed="$$failed $$name"; fi; \
	done; \
	if [ -n "$$failed" ]; then echo "make check: FAILED:$$failed"; exit 1; fi; \
	echo "make check: $(words $(UNIT) $(GOLDEN) $(FUZZ)) programs passed"

# FUZZ_S seconds for each target. What libFuzzer finds worth keeping, and what breaks a target, goes to build/fuzz.
FUZZERS := $(FUZZ:$(CHECK)/%=$(BUILD)/fuzz/%)
FUZZ_FLAGS := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

fuzz:
	@if command -v clang >/dev/null; then $(MAKE) $(PARALLEL) $(FUZZERS:%=run-%); \
	else $(MAKE) $(PARALLEL) SAN=1 $(FUZZ:%=run-%); fi

$(FUZZERS): $(BUILD)/fuzz/%: tests/fuzz/%.c $(PURE_SOURCES) Makefile
	@mkdir -p $@.corpus
	$(call run,CLANG,clang -std=gnu11 -O1 -g -D_GNU_SOURCE -DPORTICO_VERSION='"$(VERSION)"' -Idaemon $(PKG_CFLAGS) \
		$(FUZZ_FLAGS) -o $@ $(filter %.c,$^) $(LIBS))

$(FUZZERS:%=run-%): run-%: %
	$< -max_total_time=$(FUZZ_S) -timeout=10 -rss_limit_mb=2048 -max_len=16384 \
		-artifact_prefix=$(BUILD)/fuzz/ $<.corpus $(CORPUS_$(notdir $<)) >$<.log 2>&1 || { tail -40 $<.log; exit 1; }
	@grep '^Done' $<.log

$(FUZZ:%=run-%): run-%: %
	$< --seconds $(FUZZ_S) $(CORPUS_$(notdir $<))

drivers: $(DRIVERS) $(BENCH)

# A file's tests run one after the other, files side by side; those first that take longest.
test: deps-test
	@unit=passed; others=passed; \
	$(MAKE) $(PARALLEL) check || unit=FAILED; \
	$(MAKE) $(PARALLEL) SAN=1 all drivers && \
	PORTICO_BUILD=$(abspath $(BUILD)/san) $(PYTHON) -m pytest -q -rs -n $(shell nproc) --dist loadfile $(PYTEST_ARGS) \
		tests/webui tests/package tests/net tests/api || others=FAILED; \
	echo; echo "make test: unit and golden tests $$unit, page, package, network and API tests $$others"; \
	[ $$unit$$others = passedpassed ]

bench: deps
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_LAB) $(DEPS_BENCH)'
	@$(MAKE) $(PARALLEL) all $(BENCH)
	PORTICO_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/bench/bench.py $(ONLY) $(if $(QUICK),--quick) \
		--json $(abspath $(BUILD))/bench.json

demo: deps
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_LAB)'
	@$(MAKE) $(PARALLEL) all
	PORTICO_BUILD=$(abspath $(BUILD)) ONESHOT=$(ONESHOT) tests/lab/demo

include tests/machines/machines.mk

# ---- the machine ---------------------------------------------------------

DEPS_BUILD := build-essential pkg-config libmicrohttpd-dev libnl-3-dev libnftnl-dev libmnl-dev \
	libmbedtls-dev libsqlite3-dev libjansson-dev libcap-dev ca-certificates
DEPS_LAB   := nftables iproute2 conntrack python3
DEPS_TEST  := $(DEPS_LAB) libcmocka-dev iptables chromium python3-pytest python3-pytest-xdist python3-jsonschema mandoc e2fsprogs
DEPS_BENCH := iptables socat haproxy strace
NODE       := $(if $(shell command -v npm)$(wildcard webui/assets.c),,nodejs npm)

# One after the other: npm may be among the packages.
deps:
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_BUILD) $(NODE)'
	@$(MAKE) --no-print-directory deps-users $(if $(wildcard webui/assets.c),,webui/node_modules/.package-lock.json)

deps-test: deps
	@$(MAKE) --no-print-directory deps-packages WANTED='$(DEPS_TEST)'

deps-packages:
	@command -v dpkg-query >/dev/null || { \
		echo "Not Debian: you need what these packages are called here: $(WANTED)"; exit 0; }; \
	missing=; for p in $(WANTED); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; \
	done; \
	[ -z "$$missing" ] || { export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -q && apt-get install -q -y --no-install-recommends $$missing; }

# The daemon and its edge process give up root for these.
deps-users:
	@for u in portico portico-edge; do \
		getent passwd $$u >/dev/null || useradd --system --no-create-home --home-dir /nonexistent \
			--shell /usr/sbin/nologin $$u || exit 1; \
	done

MAN := $(sort $(wildcard docs/man/*.[158]))

install: all
	install -D -m 755 $(PORTICOD) $(DESTDIR)$(PREFIX)/sbin/porticod
	install -D -m 755 $(OUT)/portico $(DESTDIR)$(PREFIX)/bin/portico
	install -D -m 644 init/portico.service $(DESTDIR)$(UNITDIR)/portico.service
	sed -i 's,=/usr/sbin/,=$(PREFIX)/sbin/,' $(DESTDIR)$(UNITDIR)/portico.service
	install -D -m 644 init/portico.nft $(DESTDIR)$(PREFIX)/share/portico/portico.nft
	install -D -m 644 init/portico.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/portico.conf
	install -D -m 644 init/portico.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/portico.conf
	install -D -m 644 init/portico.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/portico
	for page in $(MAN); do \
		install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	@# A package's own scripts do this; without one, the service must be able to start now.
	@[ -n '$(DESTDIR)' ] || ! command -v systemd-tmpfiles >/dev/null || \
		{ systemd-sysusers portico.conf && systemd-tmpfiles --create portico.conf; }

# A release: what is committed (and, to try it out, what is not yet) with the page, so that builders need no Node. The
# same commit gives the same bytes.
RELEASE := portico-$(VERSION)

dist: $(BUILD)/webui/assets.c
	@rm -rf $(BUILD)/dist && mkdir -p $(BUILD)/dist
	@commit=$$(git stash create) && commit=$${commit:-HEAD} && \
	git archive --prefix=$(RELEASE)/ $$commit | tar -xf - -C $(BUILD)/dist && \
	install -m 644 $< $(BUILD)/dist/$(RELEASE)/webui/assets.c && \
	tar --format=gnu --sort=name --mtime=@$$(git log -1 --format=%ct $$commit) --owner=0 --group=0 --numeric-owner \
		--mode=u=rwX,go=rX -cf - -C $(BUILD)/dist $(RELEASE) | gzip -9n >$(BUILD)/$(RELEASE).tar.gz
	@echo $(BUILD)/$(RELEASE).tar.gz

include openwrt/install.mk
include debian/deb.mk
include openwrt/ipk.mk

# ---- upkeep --------------------------------------------------------------

OURS := $(shell find daemon tests -name '*.[ch]' 2>/dev/null)

# cppcheck takes bsearch(&key) for a use of key; the compiler and clang-tidy look for uninitialized data anyway.
lint:
	clang-format --dry-run -Werror $(OURS)
	printf '%s\n' $(filter daemon/%.c,$(OURS)) | \
		xargs -P 2 -I % clang-tidy --quiet % -- $(filter-out -M%,$(ALL_CFLAGS))
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -Idaemon -D_GNU_SOURCE \
		'-Djson_array_foreach(a,i,v)=for(;;)' '-Djson_object_foreach(o,k,v)=for(;;)' \
		--enable=warning,portability --suppress=missingIncludeSystem --suppress=uninitvar daemon

clean:
	rm -rf $(BUILD)

help:
	@echo 'make           build/porticod and build/portico (SAN=1: with sanitizers, in build/san;'
	@echo '               SMALL=1: small, in build/small; WITHOUT="import export metrics"; V=1: tells how)'
	@echo 'make deps      install what is needed to build (Debian 12, as root); deps-test: and to test'
	@echo 'make check     unit and golden tests: seconds, no privilege'
	@echo 'make fuzz      hostile input for parsers, FUZZ_S=60 seconds each'
	@echo 'make test      everything, with real packets and a browser (as root)'
	@echo 'make bench     what it costs, beside others (as root); QUICK=1: in a minute; ONLY="newflow ...": parts of it'
	@echo 'make demo      the five situations in a lab of network namespaces; ONESHOT=1 ends by itself'
	@echo 'make install   DESTDIR, PREFIX=/usr'
	@echo 'make install-openwrt DESTDIR=dir   what the package for OpenWrt has'
	@echo 'make test-openwrt   its recipe, its scripts, and its daemon from an unpacked root, in the packet lab (as root)'
	@echo 'make deb       a Debian package, in build/deb; make test-deb-boot: under systemd, in qemu (as root)'
	@echo 'make ipk       ARCH=x86_64, mips_24kc, ...: a package for OpenWrt, made without its SDK'
	@echo 'make test-ipk  ARCH=...: reads it strictly, and runs its daemon in the packet lab (as root)'
	@echo 'make dist      a release, with the page ready made'
	@echo 'make size      how small: packages, memory, start (docs/SIZE.md; as root)'
	@echo 'make lint      clang-format, clang-tidy, cppcheck'
	@echo 'make test-cross test-libraries test-machines test-vm   other machines: tests/machines/README.md'
	@echo 'make clean'

.PHONY: all check run-checks fuzz drivers test bench demo deps deps-test deps-packages deps-users install dist lint clean help
