# amibox: `make help` lists what there is.

CARGO   ?= cargo
PROFILE ?= release
PREFIX  ?= /usr/local
TARGET  := $(or $(CARGO_TARGET_DIR),target)
BINARY  ?= $(TARGET)/release/amibox

HOST := $(shell rustc -vV | sed -n 's/^host: //p')
ARCH := $(firstword $(subst -, ,$(HOST)))
MUSL := $(ARCH)-unknown-linux-musl
# A target's libraries are there when its folder is: this needs no rustup.
HAS_MUSL := $(wildcard $(shell rustc --print sysroot)/lib/rustlib/$(MUSL)/lib)
STATIC_TARGET := $(if $(HAS_MUSL),$(MUSL),$(HOST))

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | \
	  awk -F'\t' '{ printf "%-20s %s\n", $$1, $$2 }'

.PHONY: run
run: release ## build, and serve conf/ on loopback
	@mkdir -p $(TARGET)/state
	@echo
	@echo 'amibox serves conf/ on 127.0.0.1. In another terminal, type'
	@echo
	@echo '    telnet 127.0.0.1 5038'
	@echo '    Action: Login'
	@echo '    Username: hello'
	@echo '    Secret: world'
	@echo
	@echo 'and an empty line after it; or'
	@echo
	@echo "    wget -qO- 'http://127.0.0.1:8088/rawman?action=login&username=hello&secret=world'"
	@echo
	@exec $(TARGET)/release/amibox --config-dir conf --state-dir $(TARGET)/state

.PHONY: release
release: ## build the optimised binary, target/release/amibox
	$(CARGO) build --release --bin amibox

# Needs nothing beyond Rust and a C compiler. Where telnet or wget are missing, the tests that would use them
# say so. The last line is the sum: N passed, N failed, N skipped.
.PHONY: test
test: ## run every test
	@tests/summarize $(CARGO) test --no-fail-fast

# A minute for each target, JOBS of them at a time, from texts that differ with SEED. With cargo-fuzz installed, `make fuzz TARGET_NAME=http_heads` has
# libFuzzer look at one of them until it is stopped; RUSTC_BOOTSTRAP lets the stable compiler measure what is reached.
.PHONY: fuzz
SECONDS_EACH ?= 60
SEED         ?= $(shell date +%s)
FUZZ         := $(abspath $(TARGET))/fuzzing
JOBS         ?= 2
fuzz: ## fuzz every decoder (SECONDS_EACH=60 SEED=1 JOBS=2 ONLY=switch_), or one with libFuzzer (TARGET_NAME=http_heads)
ifdef TARGET_NAME
	AMIBOX_FUZZ_CORPUS=$(FUZZ)/$(TARGET_NAME) RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$(FUZZ)/target \
	  $(CARGO) fuzz run --fuzz-dir tests/fuzz --sanitizer none $(TARGET_NAME) $(FUZZ)/$(TARGET_NAME) -- \
	  -dict=$(FUZZ)/$(TARGET_NAME).dict -artifact_prefix=$(FUZZ)/found- -max_len=40960 -timeout=60 $(LIBFUZZER)
else
	@echo 'fuzz: SEED=$(SEED)'
	@AMIBOX_FUZZ_OPTIMISED=1 $(CARGO) test --profile fuzz --test fuzz -- --list $(ONLY) | grep -q ': test$$' || \
	  { echo "fuzz: no target's name holds '$(ONLY)'" >&2; exit 1; }
	AMIBOX_FUZZ_OPTIMISED=1 AMIBOX_FUZZ_SECONDS=$(SECONDS_EACH) AMIBOX_FUZZ_SEED=$(SEED) \
	  $(CARGO) test --profile fuzz --test fuzz -- --test-threads $(JOBS) $(ONLY)
endif

# Full disks, lost descriptors, stopped clocks and the like, as scripts that need Python 3 and, some of them, root: those that cannot run
# say what they lack. ONLY="clock_steps reloads" runs a few.
.PHONY: faults
faults: release ## what machines and networks do to a server (ONLY=sigkill)
	AMIBOX=$(abspath $(BINARY)) python3 tests/faults/run.py $(ONLY)

.PHONY: soak
MINUTES ?= 30
soak: release ## everything at once for MINUTES=30; memory, threads, descriptors and latency stay flat
	AMIBOX=$(abspath $(BINARY)) python3 tests/faults/soak.py $(MINUTES)

.PHONY: check check-format check-clippy check-docs
check: check-format check-clippy check-docs ## format, lints and docs, warnings denied
check-format:
	$(CARGO) fmt --check
check-clippy:
	$(CARGO) clippy --all-targets -- -D warnings
check-docs:
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --no-deps --document-private-items

# With an explicit --target, RUSTFLAGS leave build scripts and procedural macros alone.
.PHONY: static
static: ## one stripped, fully static binary, target/static/amibox (PROFILE=release|release-small)
	@echo 'static: for $(STATIC_TARGET)$(if $(HAS_MUSL),,; the musl target is not installed)'
	RUSTFLAGS='-C target-feature=+crt-static' $(CARGO) build --profile $(PROFILE) --target $(STATIC_TARGET) --bin amibox
	@mkdir -p $(TARGET)/static
	@cp $(TARGET)/$(STATIC_TARGET)/$(PROFILE)/amibox $(TARGET)/static/amibox
	@linked=`LC_ALL=C ldd $(TARGET)/static/amibox 2>&1` || true; case "$$linked" in \
	  *'statically linked'*|*'not a dynamic executable'*|*'Not a valid dynamic program'*) ;; \
	  *) echo "static: it needs libraries all the same: $$linked" >&2; exit 1;; esac
	@echo "static: $(TARGET)/static/amibox, `wc -c < $(TARGET)/static/amibox` bytes, needs no library"

.PHONY: check-static
check-static: static ## the quick start, served by that binary from an empty chroot
	AMIBOX_STATIC='$(abspath $(TARGET)/static/amibox)' tests/check-static

.PHONY: docs
docs: release ## a reference page of every action and console command, target/doc-actions/actions.md
	@mkdir -p $(TARGET)/doc-actions
	$(TARGET)/release/amibox --actions > $(TARGET)/doc-actions/actions.md
	@echo "docs: $(TARGET)/doc-actions/actions.md"

.PHONY: clients
clients: release ## real AMI client libraries against it (installs them from their registries)
	tests/clients/against-amibox $(TARGET)/release/amibox $(TARGET)/clients

.PHONY: clients-gateway
clients-gateway: release ## the same through a gateway, before one amibox and before two
	tests/clients/against-amibox $(TARGET)/release/amibox $(TARGET)/clients --upstreams 1
	tests/clients/against-amibox $(TARGET)/release/amibox $(TARGET)/clients --upstreams 2

.PHONY: bench
bench: ## measure it beside a bare server: pings, logins, events, memory
	$(CARGO) bench --bench load

# An existing binary is installed as it is, so that `sudo make install` builds nothing.
.PHONY: install
install: ## install below $(DESTDIR)$(PREFIX): binary, unit file, sample configuration
	@test -x $(BINARY) || $(MAKE) release
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -d $(DESTDIR)$(PREFIX)/share/amibox $(DESTDIR)$(PREFIX)/share/doc/amibox
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/amibox
	install -m 644 conf/*.conf $(DESTDIR)$(PREFIX)/share/amibox/
	install -m 644 conf/fail2ban/filter.d-amibox.conf $(DESTDIR)$(PREFIX)/share/amibox/fail2ban-filter.conf
	install -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/amibox/
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' conf/amibox.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/amibox.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/amibox.service

.PHONY: clean
clean: ## remove what was built
	$(CARGO) clean
