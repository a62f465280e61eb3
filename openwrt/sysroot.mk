# SPDX-License-Identifier: GPL-2.0-or-later
# What a router's binaries are compiled against: musl, and static libraries with no more in them than the daemon
# uses. Called by ipk.mk with SRC (where Debian's sources are), SYS (where all goes), TRIPLET (of the compiler), CPU (its
# flags) and SQLITE (how it is configured).

CC  := $(TRIPLET)-gcc
AR  := $(TRIPLET)-gcc-ar
LIB := $(SYS)/lib
INC := $(SYS)/include
OBJ := $(SYS)/obj

# ARCH means something else to musl.
MAKEOVERRIDES :=

source = $(patsubst %/,%,$(firstword $(wildcard $(SRC)/$(1)-*/)))

CFLAGS  := -Os -flto -fPIE -ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables \
	-ffile-prefix-map=$(SRC)/= -D_GNU_SOURCE -w
MUSL_CC := $(CC) -specs=$(SYS)/musl.specs $(CPU)

# Arithmetic without an FPU. Debian's libgcc has it too, with arguments in the registers of an FPU.
SOFT := $(if $(findstring -msoft-float,$(CPU)),$(OBJ)/soft_float.o)
SOFT_FLAGS := $(filter-out -msoft-float,$(CPU)) -ffreestanding -O2 -fPIC

all: $(addprefix $(LIB)/,libmicrohttpd.a libnl-3.a libmbedcrypto.a libsqlite3.a libjansson.a libcap.a \
	libnftnl.so $(if $(SOFT),libgcc_s.so))

# $(call library,SOURCES,FLAGS): a static library of them.
define library
	rm -rf $(OBJ)/$(@F) && mkdir -p $(OBJ)/$(@F)
	cd $(OBJ)/$(@F) && $(MUSL_CC) $(CFLAGS) $(2) -c $(1)
	$(AR) rcsD $@ $(patsubst %.c,$(OBJ)/$(@F)/%.o,$(notdir $(1)))
endef

# ---- what is on the router -----------------------------------------------

# musl has specs that make a GNU compiler use it. Headers: the kernel's beside it, those of libnftnl, which are the same
# everywhere. The specs come last, everything waits for them.
$(SYS)/musl.specs: SOURCE = $(call source,musl)
$(SYS)/musl.specs: $(SOFT)
	mkdir -p $(OBJ)/musl
	cd $(OBJ)/musl && CC='$(CC)' CFLAGS='$(CPU) -Os -w' LIBCC='$(SOFT:%=% -lgcc)' $(SOURCE)/configure --host=$(TRIPLET) \
		--prefix=$(SYS) --syslibdir=$(LIB) --disable-static
	$(MAKE) -C $(OBJ)/musl install-headers install-libs
	cp -r $(foreach d,linux asm-generic asm,$(firstword $(wildcard \
		/usr/$(TRIPLET)/include/$(d) /usr/include/$(TRIPLET)/$(d) /usr/include/$(d)))) $(INC)
	cp -r /usr/include/libnftnl $(INC)
	sh $(SOURCE)/tools/musl-gcc.specs.sh $(INC) $(LIB) /lib/$$(basename $(LIB)/ld-musl-*) >$@

$(OBJ)/soft_float.o: openwrt/soft_float.c
	mkdir -p $(OBJ)
	$(CC) $(SOFT_FLAGS) -fvisibility=hidden -c -o $@ $<

# A library that the router has: the linker needs its name and what is in it, no more. $(call stub,SONAME,SYMBOLS)
define stub
	printf '.globl %s\n' $(2) | sed 'p; s/.globl \(.*\)/.type \1,%function\n\1:/' | \
		$(CC) $(CPU) -nostdlib -shared -Wl,-soname,$(1) -x assembler -o $@ -
endef

$(LIB)/libnftnl.so: $(SYS)/musl.specs
	$(call stub,libnftnl.so.11,$$(nm -D --defined-only -j $$(gcc -print-file-name=libnftnl.so) | \
		sed -n '/^nftnl_/s/@.*//p'))

$(LIB)/libgcc_s.so: $(SYS)/musl.specs
	$(CC) $(SOFT_FLAGS) -nostdlib -shared -Wl,-soname,libgcc_s.so.1 -o $@ openwrt/soft_float.c

# ---- what is in the package ----------------------------------------------

$(LIB)/libmicrohttpd.a: SOURCE = $(call source,libmicrohttpd)
$(LIB)/libmicrohttpd.a: $(SYS)/musl.specs
	mkdir -p $(OBJ)/libmicrohttpd
	cd $(OBJ)/libmicrohttpd && $(SOURCE)/configure --quiet --host=$(TRIPLET) --prefix=$(SYS) CC='$(MUSL_CC)' AR=$(AR) \
		RANLIB=true CFLAGS='$(CFLAGS)' LDFLAGS=-pie --disable-shared --disable-https --disable-bauth --disable-dauth \
		--disable-postprocessor --disable-httpupgrade --disable-doc --disable-examples --disable-curl
	$(MAKE) -C $(OBJ)/libmicrohttpd/src/include install-data
	$(MAKE) -C $(OBJ)/libmicrohttpd/src/microhttpd install-libLTLIBRARIES

# The core alone: attributes, messages, sockets.
$(LIB)/libnl-3.a: SOURCE = $(call source,libnl3)
$(LIB)/libnl-3.a: $(SYS)/musl.specs
	cp -r $(SOURCE)/include/netlink $(INC)
	mkdir -p $(OBJ)/libnl && echo '#define SYSCONFDIR "/etc/libnl"' >$(OBJ)/libnl/defs.h
	$(call library,$(wildcard $(SOURCE)/lib/*.c),-I$(OBJ)/libnl $(addprefix -I$(SOURCE)/include,/linux-private /))

$(LIB)/libmbedcrypto.a: SOURCE = $(call source,mbedtls)
$(LIB)/libmbedcrypto.a: $(SYS)/musl.specs
	cp -r $(SOURCE)/include/mbedtls $(SOURCE)/include/psa $(INC)
	cp openwrt/mbedtls_config.h $(INC)/mbedtls/config.h
	$(call library,$(wildcard $(SOURCE)/library/*.c))

$(LIB)/libsqlite3.a: $(SYS)/musl.specs
	cp $(SRC)/sqlite3.h $(INC)
	$(call library,$(SRC)/sqlite3.c,$(SQLITE))

$(LIB)/libjansson.a: SOURCE = $(call source,jansson)
$(LIB)/libjansson.a: $(SYS)/musl.specs
	cp $(SOURCE)/src/jansson.h $(SOURCE)/android/jansson_config.h $(INC)
	mkdir -p $(OBJ)/jansson
	printf '#define %s 1\n' HAVE_ATOMIC_BUILTINS HAVE_CLOSE HAVE_ENDIAN_H HAVE_FCNTL_H HAVE_GETPID HAVE_GETTIMEOFDAY \
		HAVE_OPEN HAVE_READ HAVE_SCHED_H HAVE_SCHED_YIELD HAVE_STDINT_H HAVE_SYS_STAT_H HAVE_SYS_TIME_H \
		HAVE_SYS_TYPES_H HAVE_UNISTD_H USE_URANDOM >$(OBJ)/jansson/jansson_private_config.h
	$(call library,$(wildcard $(SOURCE)/src/*.c),-DHAVE_CONFIG_H -I$(OBJ)/jansson)

# It makes headers in its own folder.
$(LIB)/libcap.a: $(SYS)/musl.specs
	rm -rf $(OBJ)/libcap && cp -r $(call source,libcap2) $(OBJ)/libcap
	$(MAKE) -C $(OBJ)/libcap/libcap libcap.a CC='$(MUSL_CC) $(CFLAGS)' BUILD_CC=gcc BUILD_CFLAGS=-w COPTS= WARNINGS= \
		AR=$(AR) RANLIB=true USE_GPERF=no lib=lib
	cp $(OBJ)/libcap/libcap/include/sys/*.h $(INC)/sys
	cp $(OBJ)/libcap/libcap/libcap.a $@

.PHONY: all
