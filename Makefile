# Poplar. Meson does the work; this file installs what is missing (Debian packages, with sudo where needed) and calls it.
#
#	make build	build/pop3d, build/popctl, build/popauth
#	make run	a daemon with a demo maildrop on 127.0.0.1, fetched from by a real client (ONCE=1: and stops again)
#	make test	all tests
#	make test-long	those that take hours: a million random sequences, ten thousand deliveries
#	make lint	formatter and analysers
#	make bench	next to other POP3 servers
#	make install	into $(DESTDIR)$(prefix); make clean
prefix = /usr/local
sysconfdir = /etc
localstatedir = /var
DESTDIR =

# Every package that anything here needs; docs/dependencies.md says what for.
BUILD_PACKAGES = gcc libc6-dev meson ninja-build pkg-config libev-dev libseccomp-dev libssl-dev libisal-dev libcrypt-dev \
	libgdbm-dev liblmdb-dev libdb-dev libwrap0-dev
BUILD_PACKAGES += libpam0g-dev
BUILD_PACKAGES += libpq-dev libmariadb-dev libsqlite3-dev unixodbc-dev
BUILD_PACKAGES += libldap-dev
BUILD_PACKAGES += libcurl4-openssl-dev libjansson-dev
BUILD_PACKAGES += libgsasl-dev
RUN_PACKAGES = $(BUILD_PACKAGES) curl
TEST_PACKAGES = $(BUILD_PACKAGES) libcmocka-dev clang libclang-rt-dev lld python3 python3-pytest python3-pytest-xdist \
	python3-pytest-timeout curl iproute2 fetchmail mpop getmail6 neomutt mutt postfix procmail liblockfile-bin openssl mandoc strace netbase mailutils nmh mailutils-pop3d dovecot-pop3d fail2ban \
	openbsd-inetd systemd procps
# Other servers, which cannot be installed beside each other: a test unpacks them (dist/unpack) and needs what they are linked with.
TEST_UNPACKED = courier-pop courier-authlib libcourier-unicode4 popa3d exim4-daemon-light glewlwyd
TEST_UNPACKED += cyrus-common cyrus-pop3d cyrus-imapd libclamav12 libical3 libtfm1 libzephyr4 libxapian30 libpcre3
LINT_PACKAGES = $(BUILD_PACKAGES) libcmocka-dev clang clang-format clang-tidy cppcheck python3
BENCH_PACKAGES = $(BUILD_PACKAGES) python3 openssl iproute2 util-linux dovecot-pop3d mailutils-pop3d procps

TEST_PACKAGES += slapd ldap-utils
TEST_PACKAGES += gsasl gnutls-bin
TEST_PACKAGES += krb5-kdc krb5-admin-server krb5-user libgssapi-krb5-2 libfaketime
TEST_PACKAGES += python3-jwt python3-cryptography libconfig9 liborcania2.3 libyder2.0 libhoel1.4 librhonabwy1.1 libulfius2.7 libiddawc1.1 \
	libmicrohttpd12 liboath0 libcbor0.8
TEST_PACKAGES += gdbmtool lmdb-utils db-util
TEST_PACKAGES += freeradius libpam-pwdfile
TEST_PACKAGES += postgresql mariadb-server-core mariadb-client-core sqlite3 odbc-postgresql odbc-mariadb libsqliteodbc
TEST_PACKAGES += maildrop libdb5.3 libgnutls-dane0 libidn12 libnsl2

MESON = meson setup -Dprefix=$(prefix) -Dsysconfdir=$(sysconfdir) -Dlocalstatedir=$(localstatedir)

.PHONY: build run test test-long lint bench install clean
all: build

build: packages-BUILD
	@test -f build/build.ninja || $(MESON) build
	@ninja -C build pop3d popctl popauth `test -f /usr/include/db.h && echo src/dbm/mod_bdb.so` backends
	@echo "Built: build/pop3d build/popctl build/popauth"

run: packages-RUN
	@$(MAKE) --no-print-directory build
	@dist/demo/run

test: packages-TEST
	@dist/unpack build/unpacked $(TEST_UNPACKED)
	@tests/run-all

test-long: packages-TEST
	@tests/run-all build asan
	@tests/run-long

lint: packages-LINT
	@tests/run-lint

bench: packages-BENCH
	@$(MAKE) --no-print-directory build
	@bench/run

install: packages-BUILD
	@test -f build/build.ninja && meson configure build -Dprefix=$(prefix) -Dsysconfdir=$(sysconfdir) \
		-Dlocalstatedir=$(localstatedir) || $(MESON) build
	@DESTDIR="$(DESTDIR)" meson install -C build
	@dist/users "$(DESTDIR)"
	@echo "Installed in $(DESTDIR)$(prefix)"

clean:
	rm -rf build build-asan build-clang

# Fast when nothing is missing.
packages-%:
	@dist/packages $($*_PACKAGES)
