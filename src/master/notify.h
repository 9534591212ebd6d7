/* master/notify.h - telling the service manager how we are (sd_notify(3), systemd's Type=notify)
 *
 * Where no service manager asks for it, nothing is sent. What cannot be sent is lost: nobody waits for it but those who will
 * notice. */
#pragma once

/* To be called before NOTIFY_SOCKET is taken out of the environment by others. */
void notify_open(void);

/* Lines NAME=VALUE. */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
