/* The loader and the C library hold locks of their own while they run a plugin's constructor, a fork handler or a
 * callback of dl_iterate_phdr(3). The library's first call must not wait for such a lock while it holds its own.
 * Otherwise the same call in a constructor, on another thread, would never end. */
#include "bounded.h"

#if defined(__linux__) && defined(__LP64__) && (defined(__x86_64__) || defined(__aarch64__) || defined(__riscv))
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

/* A plugin without a compiler: a shared object whose constructor jumps to a function of this program. */
enum { PART = 0x10000 /* as large as the largest page */, CODE = 0x1000 };

struct plugin_data {
    Elf64_Dyn dynamic[7];
    Elf64_Sym symbol;
    uint32_t hash[4]; /* one bucket and one chain, both empty */
    char strings[8];
};

#if defined(__x86_64__)
static const unsigned char jump[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x49, 0xbb}; /* endbr64; movabs r11, … */
static const unsigned char jump_end[] = {0x41, 0xff, 0xe3};               /* jmp r11 */
#elif defined(__aarch64__)
static const unsigned char jump[] = {0x50, 0, 0, 0x58, 0, 0x02, 0x1f, 0xd6}; /* ldr x16, .+8; br x16 */
static const unsigned char jump_end[] = {0, 0, 0, 0};
#else /* auipc t0, 0; ld t0, 16(t0); jr t0; nop */
static const unsigned char jump[] = {0x97, 0x02, 0, 0, 0x83, 0xb2, 0x02, 0x01, 0x67, 0x80, 0x02, 0, 0x13, 0, 0, 0};
static const unsigned char jump_end[] = {0, 0, 0, 0};
#endif

static void put(int fd, const void *bytes, size_t size, size_t offset) {
    CHECK(pwrite(fd, bytes, size, (off_t)offset) == (ssize_t)size);
}

static void write_plugin(int fd, void (*constructor)(void)) {
    const struct plugin_data data = {
        .dynamic = {{DT_INIT, {CODE}},
                    {DT_STRTAB, {PART + offsetof(struct plugin_data, strings)}},
                    {DT_STRSZ, {1}},
                    {DT_SYMTAB, {PART + offsetof(struct plugin_data, symbol)}},
                    {DT_SYMENT, {sizeof(Elf64_Sym)}},
                    {DT_HASH, {PART + offsetof(struct plugin_data, hash)}},
                    {DT_NULL, {0}}},
        .hash = {1, 1, 0, 0},
    };
    const Elf64_Phdr parts[] = {
        {PT_LOAD, PF_R | PF_X, 0, 0, 0, 2 * CODE, 2 * CODE, PART},
        {PT_LOAD, PF_R | PF_W, PART, PART, PART, sizeof data, sizeof data, PART},
        {PT_DYNAMIC, PF_R | PF_W, PART, PART, PART, sizeof data.dynamic, sizeof data.dynamic, 8},
        {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16},
    };
    Elf64_Ehdr header;
    const int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(self >= 0 && read(self, &header, sizeof header) == sizeof header && close(self) == 0);
    header.e_type = ET_DYN; /* machine and flags are this program's */
    header.e_entry = 0;
    header.e_phoff = sizeof header;
    header.e_phnum = sizeof parts / sizeof *parts;
    header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
    const uint64_t target = (uint64_t)(uintptr_t)constructor;
    put(fd, &header, sizeof header, 0);
    put(fd, parts, sizeof parts, sizeof header);
    put(fd, jump, sizeof jump, CODE);
    put(fd, &target, sizeof target, CODE + sizeof jump);
    put(fd, jump_end, sizeof jump_end, CODE + sizeof jump + sizeof target);
    put(fd, &data, sizeof data, PART);
    CHECK(ftruncate(fd, 2 * PART) == 0);
}

/* Loads and unloads the plugin: the loader does not run the constructor of a name that is loaded already. */
static bool load_plugin(void (*constructor)(void)) {
    char path[40];
    const int fd = memfd_create("plugin", MFD_CLOEXEC);
    CHECK(fd >= 0);
    write_plugin(fd, constructor);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *plugin = dlopen(path, RTLD_NOW);
    if (plugin == NULL)
        printf("%s\n", dlerror());
    CHECK(close(fd) == 0);
    return plugin != NULL && dlclose(plugin) == 0;
}

static _Atomic int inside; /* constructors that run */

static void make_no_call(void) {
    atomic_fetch_add(&inside, 1);
}

#define NEEDS_PLUGINS()                                                                                                \
    do {                                                                                                               \
        if (!load_plugin(make_no_call) || atomic_exchange(&inside, 0) != 1)                                            \
            SKIP("the loader refuses a file in memory");                                                               \
    } while (0)

static void open_and_close(void) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(csigshim_close(bridge) == 0);
}

/* The constructor is slow, so that the main thread's call begins meanwhile. */
static void slow_constructor(void) {
    atomic_fetch_add(&inside, 1);
    pause_ms(200);
    csigshim_bridge *bridge;
    CHECK(csigshim_open(&bridge, test_mechanism()) == 0 && csigshim_close(bridge) == 0);
}

static void *loads_slow_plugin(void *unused) {
    CHECK(load_plugin(slow_constructor));
    return unused;
}

static void (*first_call)(void);

static void call_beside_a_constructor(void) {
    const pthread_t thread = started(loads_slow_plugin, NULL);
    while (inside == 0)
        pause_ms(1);
    first_call();
    CHECK(pthread_join(thread, NULL) == 0);
    open_and_close();
}

static void first_open(void) {
    csigshim_bridge *bridge = opened_on(SIGUSR1, 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(bridge, SIGUSR1, 1);
    CHECK(csigshim_close(bridge) == 0);
}

TEST(first_open_beside_a_constructor_that_opens) {
    NEEDS_PLUGINS();
    first_call = first_open;
    CHECK(finishes(call_beside_a_constructor));
}

static void first_state(void) {
    CHECK(csigshim_state(SIGUSR1) == CSIGSHIM_ABSENT);
}

static void first_set_disposition(void) {
    CHECK(csigshim_set_disposition(SIGUSR2, CSIGSHIM_DISPOSITION_IGNORED) == 0);
}

static void first_spawn(void) {
    csigshim_spawn spawn;
    CHECK(csigshim_spawn_begin(&spawn, 0) == 0 && csigshim_spawn_end(&spawn) == 0);
}

/* The same for each call that may be the first. */
TEST(other_first_calls_beside_a_constructor_that_opens) {
    void (*const calls[])(void) = {first_state, first_set_disposition, first_spawn};
    NEEDS_PLUGINS();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        first_call = calls[i];
        CHECK(finishes(call_beside_a_constructor));
    }
}

static _Atomic bool stop;

static void quick_constructor(void) {
    open_and_close();
}

static void *loads_plugins(void *unused) {
    for (int i = 0; i < SCALED(300); i++)
        CHECK(load_plugin(quick_constructor));
    stop = true;
    return unused;
}

/* A forked child does not load plugins itself: the loader's lock may be held by a thread that it does not have. */
static void opens_and_forks_beside_plugins(void) {
    const pthread_t thread = started(loads_plugins, NULL);
    const int other = for_second_bridge(SIGUSR2);
    while (!stop) {
        csigshim_bridge *bridge = opened_on(other, 0);
        fflush(stdout);
        const pid_t child = fork();
        if (child == 0) {
            CHECK(csigshim_after_fork(bridge) == 0 && kill(getpid(), other) == 0);
            collect(bridge, other, 1);
            _exit(0);
        }
        CHECK(exited(child, 0) && csigshim_close(bridge) == 0);
    }
    CHECK(pthread_join(thread, NULL) == 0);
}

TEST(opens_and_forks_beside_constructors_that_open) {
    NEEDS_PLUGINS();
    if (UNDER_TSAN)
        SKIP("the thread sanitizer calls the parent's threads leaks of a forked child");
    CHECK(finishes(opens_and_forks_beside_plugins));
}

static int visit(struct dl_phdr_info *info, size_t size, void *seen) {
    (void)info, (void)size;
    if (atomic_fetch_add((_Atomic int *)seen, 1) == 0) {
        pause_ms(200);
        csigshim_bridge *bridge = opened_on(for_second_bridge(SIGUSR1), 0);
        CHECK(csigshim_close(bridge) == 0);
    }
    return 0;
}

static void *visits(void *unused) {
    dl_iterate_phdr(visit, &inside);
    return unused;
}

static void open_beside_a_visit(void) {
    const pthread_t thread = started(visits, NULL);
    while (inside == 0)
        pause_ms(1);
    first_open();
    CHECK(pthread_join(thread, NULL) == 0);
}

/* The callback has another of the loader's locks: an unwinder's, or a profiler's. */
TEST(opens_inside_and_beside_a_visit_of_the_loaded_objects) {
    if (UNDER_TSAN)
        SKIP("the thread sanitizer visits the loaded objects itself");
    CHECK(finishes(open_beside_a_visit));
}

static csigshim_bridge *subscribed;

static void delivered_in_constructor(void) {
    CHECK(kill(getpid(), SIGUSR1) == 0);
    collect(subscribed, SIGUSR1, 1);
    CHECK(csigshim_rearm(SIGUSR1) == 0 && csigshim_state(SIGUSR1) == CSIGSHIM_ARMED);
}

TEST(signal_is_delivered_inside_a_constructor) {
    NEEDS_PLUGINS();
    subscribed = opened_on(SIGUSR1, 0);
    CHECK(load_plugin(delivered_in_constructor));
}
#else
TEST(first_open_beside_a_constructor_that_opens) {
    SKIP("the plugin is written for Linux on x86-64, aarch64 and riscv64");
}
#endif

/* pthread_atfork(3) takes a lock that some C libraries hold while fork handlers run (glibc 2.28 to 2.35). */
static _Atomic bool opens_in_prepare;
static _Atomic int preparing;

static void prepare(void) {
    if (!atomic_exchange(&opens_in_prepare, false))
        return;
    preparing = 1;
    pause_ms(200);
    csigshim_bridge *bridge;
    CHECK(csigshim_open(&bridge, test_mechanism()) == 0 && csigshim_close(bridge) == 0);
}

static void *forks(void *unused) {
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    CHECK(exited(child, 0));
    return unused;
}

static void open_beside_a_fork_handler(void) {
    CHECK(pthread_atfork(prepare, NULL, NULL) == 0);
    opens_in_prepare = true;
    const pthread_t thread = started(forks, NULL);
    while (!preparing)
        pause_ms(1);
    csigshim_bridge *bridge;
    CHECK(csigshim_open(&bridge, test_mechanism()) == 0 && csigshim_close(bridge) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

TEST(first_open_beside_a_fork_handler_that_opens) {
    CHECK(finishes(open_beside_a_fork_handler));
}
