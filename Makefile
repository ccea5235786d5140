# ktrace: build, tests, bench. `make help` lists the targets.
# Variables: V=1 shows commands, ASAN=1 builds with AddressSanitizer and UBSan (in build-asan), CC=clang works too,
# PREFIX=/usr/local and DESTDIR for install.

CC      ?= gcc
AR      ?= ar
PREFIX  ?= /usr/local
HOST    := $(shell uname -m | sed 's/aarch64/arm64/')
B       := build$(if $(ASAN),-asan)
Q       := $(if $(V),,@)
SAY     := $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),@:,@echo)

CFLAGS  ?= $(if $(ASAN),-O1,-O2) -g
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wno-unused-parameter -Wvla
KTFLAGS := -std=gnu11 -D_GNU_SOURCE -Iinclude -Isrc -I$(B) -fno-strict-aliasing -pthread $(WARN) $(if $(WERROR),-Werror)
ifdef ASAN
KTFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -DKT_ASAN
LDFLAGS += -fsanitize=address,undefined
endif
LIBS    := -lsqlite3 -lzstd -lxxhash -lZydis -lcapstone -lelf -llzma -lz -llz4 -lreadline -lm -lpthread

# Everything under src/ but the engines; of those, the host's own. An engine's architecture has its own folder.
SRC     := $(sort $(shell find src -name '*.c' -not -path 'src/vm/*/*') $(wildcard src/vm/$(HOST)/*.c))
ifneq ($(HOST),x86_64)
SRC     += $(wildcard src/vm/none/*.c)
endif
OBJ     := $(SRC:%.c=$(B)/%.o)
TOOL    := $(wildcard tools/*.c)
TOOLOBJ := $(TOOL:%.c=$(B)/%.o)
# Tests of an engine's inside have its name and are built on its hosts only.
HOSTED   = $(if $(filter x86_64,$(HOST)),$(1),$(foreach f,$(1),$(if $(findstring _vm_x86_,$(f)),,$(f))))
UNIT    := $(patsubst tests/unit/%.c,$(B)/unit/%,$(call HOSTED,$(wildcard tests/unit/test_*.c)))
TESTTOOL := $(patsubst tests/tool/%.c,$(B)/tool/%,$(wildcard tests/tool/*.c))
FUZZ    := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(call HOSTED,$(wildcard tests/fuzz/fuzz_*.c)))

.DEFAULT_GOAL := all
.PHONY: all help check test lint bench demo install clean unit fuzz-regress guests cli deps
.SECONDARY:

all: $(B)/ktrace ## build build/ktrace

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: V=1 ASAN=1 CC=... PREFIX=... DESTDIR=..."

# The schema is a file that people read; the build embeds it.
$(B)/schema_sql.h: schema.sql
	@mkdir -p $(@D)
	$(Q)sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $< > $@

$(B)/%.o: %.c | $(B)/schema_sql.h
	@mkdir -p $(@D)
	$(SAY) "  CC    $<"
	$(Q)$(CC) $(KTFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libktrace.a: $(OBJ)
	$(SAY) "  AR    $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/ktrace: $(TOOLOBJ) $(B)/libktrace.a
	$(SAY) "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS)

$(B)/unit/%: $(B)/tests/unit/%.o $(B)/libktrace.a
	@mkdir -p $(@D)
	$(SAY) "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ -lcmocka $(LIBS)

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/driver.o $(B)/libktrace.a
	@mkdir -p $(@D)
	$(SAY) "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS)

$(B)/tool/%: $(B)/tests/tool/%.o $(B)/libktrace.a
	@mkdir -p $(@D)
	$(SAY) "  LINK  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(LIBS)

unit: $(UNIT) ## unit tests
	@tests/run unit $(UNIT)

guests: $(B)/ktrace $(TESTTOOL) ## guest programs against their expected traces
	@tests/run guests

cli: $(B)/ktrace $(TESTTOOL) ## the command line against its expected output
	@tests/run cli

fuzz-regress: $(FUZZ) ## every fuzz target over its corpus
	@tests/run fuzz $(FUZZ)

check: all $(UNIT) $(TESTTOOL) ## quick tests: lint, unit, guests, CLI, whatever this host's /dev/kvm can
	@B=$(B) tests/run check $(UNIT)

test: ## everything: check, then the same with sanitizers, fuzz regression, real guests
	@tests/run all

lint: ## include law, file names, formatting of new files
	@tools/lint

bench: all ## ratios against a bare step loop, bytes a step; writes build/bench.json
	@tests/bench/run

demo: ## install what is needed, build, record a real guest, look at it
	@tools/demo

deps: ## install the Debian packages that building and testing need
	@tools/install-deps

install: all ## into $(DESTDIR)$(PREFIX)
	install -Dm755 $(B)/ktrace $(DESTDIR)$(PREFIX)/bin/ktrace
	@for m in doc/man/*.1; do [ ! -e "$$m" ] || install -Dm644 $$m $(DESTDIR)$(PREFIX)/share/man/man1/$$(basename $$m); done
	@[ ! -e tools/completion.bash ] || install -Dm644 tools/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/ktrace

clean: ## remove build products
	rm -rf build build-asan

-include $(OBJ:.o=.d) $(TOOLOBJ:.o=.d) $(wildcard $(B)/tests/*/*.d)
