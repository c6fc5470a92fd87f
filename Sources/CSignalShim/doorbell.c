/* A bridge's pipe: made, proved to be ours, closed. All locked, and no handler inside the bridge.
 *
 * A descriptor is only a number, and a host may close any number and get it again for something else. So each end is
 * remembered by device, inode and type, and nothing is written to, read from or closed that does not match.
 */
#include "internal.h"

/* Moves fd to 3 or higher: where a host has closed its standard descriptors, ours must not take their place. */
int csigshim__above_standard(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    const int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    const int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return moved;
}

static int remember(struct csigshim__end *end, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -1;
    *end = (struct csigshim__end){fd, status.st_dev, status.st_ino, status.st_mode, csigshim__birth(&status)};
    return 0;
}

/* Not so where fstat(2) is refused: what has the number may be what was just opened. */
static bool is_proven(const struct csigshim__end *end)
{
    struct stat status;
    return fstat(end->fd, &status) == 0 && csigshim__is_end(end, &status);
}

int csigshim__open_bell(struct csigshim_bridge *bridge)
{
    int ends[2];
    if (csigshim__pipe(ends) != 0)
        return -1;
    ends[0] = csigshim__above_standard(ends[0]);
    ends[1] = csigshim__above_standard(ends[1]);
    struct csigshim__end read_end, write_end;
    if (ends[0] >= 0 && ends[1] >= 0 && remember(&read_end, ends[0]) == 0 && remember(&write_end, ends[1]) == 0) {
        bridge->read_end = read_end;
        bridge->write_end = write_end;
        return 0;
    }
    const int saved_errno = errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    errno = saved_errno;
    return -1;
}

static void close_end(const struct csigshim__end *end)
{
    if (csigshim__end_intact(end))
        close(end->fd);
}

void csigshim__close_bell(struct csigshim_bridge *bridge)
{
    const int saved_errno = errno;
    close_end(&bridge->write_end);
    close_end(&bridge->read_end);
    errno = saved_errno;
}

/* In a forked child: a pipe of its own in place of the one that it shares with its parent. */
int csigshim__renew_bell(struct csigshim_bridge *bridge)
{
    const struct csigshim__end old_read = bridge->read_end, old_write = bridge->write_end;
    if (csigshim__open_bell(bridge) != 0)
        return -1;
    const struct csigshim__end new_read = bridge->read_end, new_write = bridge->write_end;
    const bool read_left = is_proven(&old_read), write_left = is_proven(&old_write);
    if (read_left && write_left && csigshim__dup_onto(new_read.fd, old_read.fd) == 0) {
        if (csigshim__dup_onto(new_write.fd, old_write.fd) == 0) {
            close(new_read.fd);
            close(new_write.fd);
            bridge->read_end.fd = old_read.fd; /* the same pipe by its old numbers */
            bridge->write_end.fd = old_write.fd;
            return 0;
        }
    }
    if (read_left) /* the one that the host may have left, or the new one by its number */
        close(old_read.fd);
    if (write_left)
        close(old_write.fd);
    return 1;
}
