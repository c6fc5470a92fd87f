/* A plugin that is loaded, used and unloaded again while another process floods this one with signals. The kernel has
 * pointers into the library, so its code stays loaded. The host has the actions back that the plugin restored.
 *
 * Usage: PLUGIN=path NEXT=path (the plugin's next version) STATIC=1 (the library is inside the plugin) or 0 (the plugin
 * needs the shared library). */
#include "../c/check.h"
#include "plugin.h"
#include <dlfcn.h>

enum { ROUNDS = 30, EACH = 200 };

static _Atomic long host_calls;
static _Atomic long *sent; /* by the flooding process */
static _Atomic bool *stop;

static void host(int signo) {
    (void)signo;
    host_calls++;
}

static pid_t flood(int signo) {
    sent = shared(sizeof *sent);
    stop = shared(sizeof *stop);
    const pid_t target = getpid(), child = fork();
    if (child == 0) {
        while (!*stop && getppid() == target) {
            if (sigqueue(target, signo, (union sigval){.sival_int = 1}) == 0)
                ++*sent;
            else
                CHECK(errno == EAGAIN || errno == ESRCH); /* the queue is full; the target has ended */
            if (*sent % 16 == 0) /* slower than handlers are: else a single thread never comes out of them */
                nanosleep(&(struct timespec){0, 50000}, NULL);
        }
        _exit(0);
    }
    CHECK(child > 0);
    return child;
}

static void end_of(pid_t flooder) {
    *stop = true;
    CHECK(exited(flooder, 0));
}

static const struct plugin *load_file(const char *path, void **library) {
    *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*library == NULL)
        printf("%s\n", dlerror());
    CHECK(*library != NULL);
    const struct plugin *plugin = dlsym(*library, "plugin");
    CHECK(plugin != NULL);
    return plugin;
}

static const struct plugin *load(void **library) {
    return load_file(getenv("PLUGIN"), library);
}

static bool is_loaded(void) {
    void *library = dlopen(getenv("PLUGIN"), RTLD_NOW | RTLD_NOLOAD);
    if (library != NULL)
        dlclose(library);
    return library != NULL;
}

static bool is_static(void) {
    return getenv("STATIC")[0] == '1';
}

/* Until `count` more have reached the host's handler. */
static void wait_for_host(long count) {
    const int64_t deadline = milliseconds() + DEADLINE_SECONDS * 1000;
    for (const long before = host_calls; host_calls < before + count; pause_ms(1))
        CHECK(milliseconds() < deadline);
}

static void *idle(void *unused) {
    for (;;)
        pause();
    return unused;
}

static long subscribe_and_leave(const struct plugin *plugin, int signo) {
    long counted = 0;
    CHECK(plugin->subscribe(signo, 0) == 0);
    while (counted < EACH) {
        CHECK(plugin->wait(DEADLINE_SECONDS * 1000) == 1);
        const long count = plugin->read();
        CHECK(count >= 0);
        counted += count;
    }
    CHECK(plugin->unsubscribe(signo) == 0);
    counted += plugin->read(); /* what was captured stays readable */
    CHECK(plugin->close() == 0);
    return counted;
}

/* Whatever was sent was counted by the plugin, or reached the host's handler; on other threads, too. */
TEST(closed_and_unloaded_under_a_flood) {
    const int signo = SIGRTMIN + 3;
    install(signo, host, SA_RESTART);
    for (int i = 0; i < 2; i++)
        pthread_detach(started(idle, NULL));
    const pid_t flooder = flood(signo);
    long counted = 0;
    for (int i = 0; i < ROUNDS; i++) {
        void *library;
        counted += subscribe_and_leave(load(&library), signo);
        CHECK(dlclose(library) == 0);
        wait_for_host(EACH / 4);
    }
    end_of(flooder);
    const int64_t deadline = milliseconds() + DEADLINE_SECONDS * 1000;
    while (counted + host_calls < *sent && milliseconds() < deadline)
        pause_ms(1);
    if (counted + host_calls != *sent)
        printf("sent %ld, counted %ld, host's %ld\n", (long)*sent, counted, (long)host_calls);
    CHECK(counted + host_calls == *sent);
    CHECK(is_loaded() ==
          is_static()); /* else this was no test of what stays: the plugin's code, if the library is in it */
}

/* Unloaded without closing its bridge. The bridge is still there, and takes the signals; the process lives. */
TEST(unloaded_while_subscribed) {
    void *library;
    const int signo = SIGRTMIN + 3;
    install(signo, host, SA_RESTART);
    const pid_t flooder = flood(signo);
    wait_for_host(EACH);
    const struct plugin *plugin = load(&library);
    CHECK(plugin->subscribe(signo, 0) == 0);
    CHECK(plugin->wait(DEADLINE_SECONDS * 1000) == 1);
    CHECK(dlclose(library) == 0);
    const long before = *sent, host_before = host_calls;
    while (*sent < before + ROUNDS * EACH)
        pause_ms(1);
    CHECK(host_calls == host_before);
    end_of(flooder);
    plugin = load(&library);
    if (is_static()) { /* one with the library, so still the same */
        CHECK(host_calls + plugin->read() == *sent);
        CHECK(plugin->close() == 0);
    } else { /* it has forgotten its bridge, and makes another one */
        CHECK(plugin->subscribe(signo, 0) == 0);
        CHECK(sigqueue(getpid(), signo, (union sigval){.sival_int = 1}) == 0);
        CHECK(plugin->read() == 1);
        CHECK(plugin->close() == 0);
    }
}

/* The library's atfork handlers outlive the plugin as well, and a child meets the host's handler. */
TEST(fork_after_unloading) {
    for (int close_first = 1; close_first >= 0; close_first--) {
        void *library;
        install(SIGUSR1, host, 0);
        const struct plugin *plugin = load(&library);
        CHECK(plugin->subscribe(SIGUSR1, 0) == 0);
        CHECK(!close_first || plugin->close() == 0);
        CHECK(dlclose(library) == 0);
        for (int i = 0; i < 3; i++) {
            const pid_t child = fork();
            if (child == 0) {
                host_calls = 0;
                kill(getpid(), SIGUSR1);
                _exit(host_calls == 1 ? 0 : 9);
            }
            CHECK(exited(child, 0));
        }
    }
}

/* Without a bridge, nothing keeps the plugin: it is unloaded, and as new when it is loaded again. */
TEST(unloaded_unused) {
    void *library;
    for (int i = 0; i < ROUNDS; i++) {
        (void)load(&library);
        CHECK(dlclose(library) == 0);
        CHECK(!is_loaded());
    }
    const struct plugin *plugin = load(&library);
    CHECK(plugin->subscribe(SIGUSR1, 0) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0 && plugin->read() == 1);
    CHECK(plugin->close() == 0 && dlclose(library) == 0);
}

/* exit(3) runs what unloading left to be run, while signals come. */
TEST(exit_after_unloading) {
    for (int i = 0; i < 5; i++) {
        const int signo = SIGRTMIN + 3;
        const pid_t child = fork();
        if (child == 0) {
            void *library;
            install(signo, host, SA_RESTART);
            (void)flood(signo);
            const struct plugin *plugin = load(&library);
            CHECK(plugin->subscribe(signo, 0) == 0);
            CHECK(plugin->wait(DEADLINE_SECONDS * 1000) == 1);
            CHECK(dlclose(library) == 0);
            pause_ms(5);
            exit(23);
        }
        CHECK(exited(child, 23));
    }
}

/* Loads the file, has one signal by it, and unloads it; which version was that? */
static int version_of(const char *path) {
    void *library;
    const struct plugin *plugin = load_file(path, &library);
    const int version = plugin->version;
    CHECK(plugin->subscribe(SIGUSR1, 0) == 0 && kill(getpid(), SIGUSR1) == 0 && plugin->read() == 1);
    CHECK(plugin->close() == 0 && dlclose(library) == 0);
    return version;
}

static void name_file(const char *target, const char *path) {
    (void)unlink(path);
    CHECK(link(target, path) == 0);
}

/* A plugin on the shared library can be replaced. One that contains the library stays loaded, so the loader finds the
 * old one by its file name: the next version needs a name of its own. */
TEST(next_version_of_a_plugin_that_contains_the_library_needs_another_file_name) {
    char path[4096], other[4096];
    snprintf(path, sizeof path, "%s.replaced", getenv("PLUGIN"));
    snprintf(other, sizeof other, "%s.2", getenv("PLUGIN"));
    install(SIGUSR1, host, 0);
    name_file(getenv("PLUGIN"), path);
    CHECK(version_of(path) == 1);
    name_file(getenv("NEXT"), path);
    CHECK(version_of(path) == (is_static() ? 1 : 2));
    name_file(getenv("NEXT"), other);
    CHECK(version_of(other) == 2);
    CHECK(host_calls == 0 && kill(getpid(), SIGUSR1) == 0 && host_calls == 1);
}
