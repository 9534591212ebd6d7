-- Virtual users in a file of SQLite, with passwords as crypt(3) hashes. The file is read by pop3d and written by you:
--
--	sqlite3 /etc/pop3d/users.db <users.sql && chmod 640 /etc/pop3d/users.db && chgrp _pop3auth /etc/pop3d/users.db
--	sqlite3 /etc/pop3d/users.db "INSERT INTO users (name, passwd, uid, gid, dir)
--		VALUES ('alice@example.org', '$(openssl passwd -6)', 2000, 2000, '/srv/mail/example.org/alice')"
--
-- and in the configuration of pop3d:
--
--	auth { authorization (sql, system); authentication (generic, system); }
--	sql {
--		interface sqlite;
--		db /etc/pop3d/users.db;
--		getpwnam "SELECT * FROM users WHERE name='$user' AND active";
--		getpwuid "SELECT * FROM users WHERE uid=$user";
--	}
--
-- A user without a mailbox has the one of mailbox-pattern. With `journal_mode' as it is (delete), a file that nobody writes to
-- needs no other beside it.
CREATE TABLE users (
	name    TEXT PRIMARY KEY NOT NULL,
	passwd  TEXT NOT NULL,                        -- of crypt(3); one that begins with ! is locked
	uid     INTEGER NOT NULL CHECK (uid > 0),     -- whose the mail is
	gid     INTEGER NOT NULL CHECK (gid > 0),
	gecos   TEXT NOT NULL DEFAULT '',
	dir     TEXT NOT NULL CHECK (dir LIKE '/%'),
	shell   TEXT NOT NULL DEFAULT '/bin/false',
	mailbox TEXT CHECK (mailbox LIKE '%:/%' OR mailbox LIKE '/%'),
	quota   TEXT,
	active  INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1))
) WITHOUT ROWID;
