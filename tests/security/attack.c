/* A hostile program. It tries everything it can think of to reach the machine that its container runs on.
 *
 *   attack SECRET SUPERVISOR PORT ABSTRACT SOCKET SEGMENT
 *
 * SECRET is a file of the machine that says "secret", SUPERVISOR a process of the machine, PORT a TCP service on its
 * loopback, ABSTRACT and SOCKET are unix sockets of the machine, SEGMENT a System V segment of the machine.
 * One line per attempt: "held NAME" or "ESCAPED NAME". A race tries for RACE_SECONDS.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RACE_SECONDS 2
#define SECRET_SIZE 41

static const char *secret;
static pid_t supervisor;
static char buffer[65536];

static void report(const char *name, int escaped) { printf("%s %s\n", escaped ? "ESCAPED" : "held", name); fflush(stdout); }

/* Whether a descriptor gives the secret. */
static int tells(int fd) {
    int found = 0;
    if (fd >= 0) {
        ssize_t size = pread(fd, buffer, sizeof buffer - 1, 0);
        if (size > 0) { buffer[size] = 0; found = strstr(buffer, "the machine's secret") != NULL; }
        close(fd);
    }
    return found;
}

static void path(const char *name, const char *format, ...) {
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report(name, tells(open(text, O_RDONLY)));
}

static void opens(const char *name, const char *text, int flags) {
    int fd = open(text, flags);
    report(name, fd >= 0);
    if (fd >= 0) close(fd);
}

static void of_supervisor(const char *what) {
    char text[256];
    snprintf(text, sizeof text, "/proc/%d/%s", supervisor, what);
    report(text, open(text, O_RDONLY) >= 0);
}

/* Names that the kernel makes up for what has none ("pipe:[7]", "gone (deleted)") are taken by symlinks. */
static void tricks(void) {
    char name[4096], here[256];
    int status, ends[2], fd = open("/tmp/gone", O_CREAT | O_RDWR, 0755);
    unlink("/tmp/gone");
    symlink(secret, "/tmp/gone (deleted)");
    snprintf(here, sizeof here, "/proc/self/fd/%d", fd);
    report("the name of a removed file", tells(open(here, O_RDONLY)));
    struct stat seen = {0};
    int held = open(here, O_PATH);
    fstat(held, &seen);
    report("the name of a removed file, O_PATH", held >= 0 && seen.st_size == SECRET_SIZE);
    snprintf(name, sizeof name, "/proc/self/fd/%d", held);
    report("executing that", fork() ? (wait(&status), WIFEXITED(status) && WEXITSTATUS(status) == 42) : (execl(name, name, NULL), _exit(1), 0));
    pipe(ends);
    snprintf(here, sizeof here, "/proc/self/fd/%d", ends[0]);
    name[readlink(here, name, sizeof name - 1)] = 0;
    symlink(secret, name);
    held = open(here, O_PATH);
    seen.st_size = 0;
    fstat(held, &seen);
    report("the name of a pipe", held >= 0 && seen.st_size == SECRET_SIZE);
    snprintf(name, sizeof name, "/proc/self/fd/%d", held);
    report("opening that", tells(open(name, O_RDONLY)));
    report("executing the standard output", fork() ? (wait(&status), WIFEXITED(status) && WEXITSTATUS(status) == 42) : (execl("/proc/self/fd/1", "x", NULL), _exit(1), 0));
    close(ends[0]); close(ends[1]);
}

static void paths(void) {
    const char *up = "../../../../../../../../../../../../../..";
    path("absolute path", "%s", secret);
    path("dots", "/%s%s", up, secret);
    path("dots behind a directory", "/tmp/%s%s", up, secret);
    path("/proc/self/root", "/proc/self/root%s", secret);
    path("/proc/1/root", "/proc/1/root%s", secret);
    path("/proc/self/cwd", "/proc/self/cwd/%s%s", up, secret);
    path("/proc/self/task", "/proc/self/task/%d/root%s", (int)syscall(SYS_gettid), secret);
    path("/proc/SUPERVISOR/root", "/proc/%d/root%s", supervisor, secret);
    path("/proc/SUPERVISOR/cwd", "/proc/%d/cwd/%s%s", supervisor, up, secret);
    path("/dev/fd", "/dev/fd/0/%s%s", up, secret);
    path("/sys dots", "/sys/kernel/%s%s", up, secret);
    const char *of[] = {"mem", "environ", "maps", "fd", "cwd", "cmdline", "status", "ns/mnt", "task", "io", "stat"};
    for (unsigned i = 0; i < sizeof of / sizeof *of; i++) of_supervisor(of[i]);
    const char *tops[] = {"/", "/proc", "/dev", "/sys", "/tmp", "/proc/self/fd", "/dev/shm"};
    for (unsigned i = 0; i < sizeof tops / sizeof *tops; i++) {
        char relative[8192], name[64];
        int fd = open(tops[i], O_RDONLY | O_DIRECTORY);
        snprintf(relative, sizeof relative, "%s%s", up, secret);
        snprintf(name, sizeof name, "openat(%s, ..)", tops[i]);
        report(name, tells(openat(fd, relative, O_RDONLY)));
        if (fchdir(fd) == 0) { snprintf(name, sizeof name, "fchdir(%s), ..", tops[i]); report(name, tells(open(relative, O_RDONLY))); }
        close(fd);
        fd = open(tops[i], O_PATH);
        snprintf(name, sizeof name, "openat(O_PATH %s, ..)", tops[i]);
        report(name, tells(openat(fd, relative, O_RDONLY)));
        close(fd);
    }
    chdir("/tmp");
    symlink(secret, "link"); path("symlink", "link");
    symlink("/proc/self/root", "root"); path("symlink to /proc/self/root", "root%s", secret);
    symlink("/proc/self/cwd", "cwd"); path("symlink to /proc/self/cwd", "cwd/%s%s", up, secret);
    tricks();
    report("link", link(secret, "hard") == 0 && tells(open("hard", O_RDONLY)));
    report("rename", rename(secret, "moved") == 0);
    report("unlink", unlink(secret) == 0);
    report("truncate", truncate(secret, 0) == 0);
    report("chmod", chmod(secret, 0777) == 0);
    struct stat seen;
    report("stat", stat(secret, &seen) == 0);
    report("readlink of a magic link", readlink("/proc/self/exe", buffer, 4096) > 0 && strstr(buffer, "layerlab") != NULL);
    int fd = open(secret, O_PATH);
    report("O_PATH", fd >= 0);
    report("execve", fork() ? (wait(&fd), WIFEXITED(fd) && WEXITSTATUS(fd) == 42) : (execl(secret, secret, NULL), _exit(1), 0));
    mkdir("jail", 0755);
    if (fork() == 0) {
        int here = open("/", O_RDONLY);
        chroot("jail"); fchdir(here);
        for (int i = 0; i < 64; i++) chdir("..");
        chroot(".");
        report("chroot twice", tells(open(secret, O_RDONLY)) || tells(open(secret + 1, O_RDONLY)));
        _exit(0);
    }
    wait(NULL);
}

static void kernel_files(void) {
    opens("/dev/mem", "/dev/mem", O_RDONLY);
    opens("/dev/kmsg", "/dev/kmsg", O_RDONLY);
    opens("/dev/vda", "/dev/vda", O_RDONLY);
    opens("/dev/sda", "/dev/sda", O_RDONLY);
    opens("/dev/fuse", "/dev/fuse", O_RDWR);
    opens("/dev/kvm", "/dev/kvm", O_RDWR);
    opens("/dev/pts/0 of the machine", "/dev/pts/0", O_RDWR);
    opens("/proc/kcore", "/proc/kcore", O_RDONLY);
    opens("/proc/sysrq-trigger", "/proc/sysrq-trigger", O_WRONLY);
    opens("/proc/sys for writing", "/proc/sys/kernel/core_pattern", O_WRONLY);
    opens("/proc/sys/net for writing", "/proc/sys/net/ipv4/ip_forward", O_RDWR);
    opens("/proc/keys", "/proc/keys", O_RDONLY);
    opens("/sys for writing", "/sys/kernel/mm/ksm/run", O_WRONLY);
    opens("/sys/firmware", "/sys/firmware", O_RDONLY);
    mknod("/tmp/disk", S_IFBLK | 0666, 0xfe00); opens("mknod of a disk", "/tmp/disk", O_RDONLY);
    mknod("/tmp/memory", S_IFCHR | 0666, 0x101); opens("mknod of /dev/mem", "/tmp/memory", O_RDONLY);
    for (int i = 3, leaked = 0; i < 1024; i++) {
        leaked |= fcntl(i, F_GETFD) >= 0;
        if (i == 1023) report("descriptors that somebody forgot", leaked);
    }
}

#define REFUSED(name, call) report(name, (long)(call) >= 0)

static int other_clone(unsigned long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    if (pid > 0) waitpid(pid, NULL, 0);
    return pid > 0;
}

static void calls(void) {
    struct iovec ours = {buffer, 16}, theirs = {(void *)0x400000, 16};
    struct rlimit limit = {5, 5};
    cpu_set_t set;
    CPU_ZERO(&set); CPU_SET(0, &set);
    struct sched_param parameters = {0};
    unsigned long long how[3] = {O_RDONLY, 0, 0};
    char handle[256] = {0}; int mount_id;
    REFUSED("openat2", syscall(437, AT_FDCWD, secret, how, sizeof how));
    REFUSED("io_uring_setup", syscall(425, 4, buffer));
    REFUSED("ptrace attach", ptrace(PTRACE_ATTACH, supervisor, 0, 0));
    REFUSED("ptrace seize", ptrace(PTRACE_SEIZE, supervisor, 0, 0));
    REFUSED("ptrace of itself", ptrace(PTRACE_TRACEME, 0, 0, 0));
    REFUSED("process_vm_readv", syscall(SYS_process_vm_readv, supervisor, &ours, 1, &theirs, 1, 0));
    REFUSED("process_vm_writev", syscall(SYS_process_vm_writev, supervisor, &ours, 1, &theirs, 1, 0));
    REFUSED("pidfd_open", syscall(434, supervisor, 0));
    REFUSED("kill", kill(supervisor, 0));
    REFUSED("tkill", syscall(SYS_tkill, supervisor, SIGUSR1));
    REFUSED("tgkill", syscall(SYS_tgkill, supervisor, supervisor, SIGUSR1));
    REFUSED("sigqueue", sigqueue(supervisor, SIGUSR1, (union sigval){0}));
    REFUSED("prlimit", prlimit(supervisor, RLIMIT_NOFILE, &limit, NULL));
    REFUSED("reading limits", prlimit(supervisor, RLIMIT_NOFILE, NULL, &limit));
    REFUSED("setpriority", setpriority(PRIO_PROCESS, supervisor, 19));
    REFUSED("sched_setaffinity", sched_setaffinity(supervisor, sizeof set, &set));
    REFUSED("sched_setscheduler", sched_setscheduler(supervisor, SCHED_BATCH, &parameters));
    REFUSED("ioprio_set", syscall(SYS_ioprio_set, 1, supervisor, 3 << 13));
    REFUSED("kcmp", syscall(SYS_kcmp, getpid(), supervisor, 0, 0, 0));
    REFUSED("get_robust_list", syscall(SYS_get_robust_list, supervisor, buffer, buffer + 8));
    REFUSED("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", handle, &mount_id, 0));
    REFUSED("unshare user", unshare(CLONE_NEWUSER));
    REFUSED("unshare mount", unshare(CLONE_NEWNS));
    REFUSED("clone user", other_clone(CLONE_NEWUSER) ? 0 : -1);
    REFUSED("clone untraced", other_clone(CLONE_UNTRACED) ? 0 : -1);
    REFUSED("clone3", syscall(435, buffer, 64));
    REFUSED("mount", mount("none", "/tmp", "tmpfs", 0, ""));
    REFUSED("bind mount", mount(secret, "/tmp/link", "", MS_BIND, ""));
    REFUSED("umount", umount2("/proc", MNT_DETACH));
    REFUSED("pivot_root", syscall(SYS_pivot_root, "/", "/tmp"));
    REFUSED("open_tree", syscall(428, AT_FDCWD, "/", 1));
    REFUSED("fsopen", syscall(430, "tmpfs", 0));
    REFUSED("perf_event_open", syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0));
    REFUSED("bpf", syscall(SYS_bpf, 0, buffer, 64));
    REFUSED("userfaultfd", syscall(SYS_userfaultfd, 0));
    REFUSED("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    REFUSED("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3));
    REFUSED("inotify", syscall(SYS_inotify_add_watch, syscall(SYS_inotify_init1, 0), secret, 2));
    REFUSED("mq_open", syscall(SYS_mq_open, "x", O_CREAT | O_RDWR, 0600, 0));
    REFUSED("a call of the future", syscall(500, AT_FDCWD, secret));
    REFUSED("listmount", syscall(458, buffer, buffer, 10, 0));
    REFUSED("setxattrat", syscall(463, AT_FDCWD, secret, 0, "user.a", buffer, 16));
    REFUSED("sethostname", sethostname("owned", 5));
    REFUSED("seccomp listener", syscall(SYS_seccomp, 1, 8, &(struct { unsigned short n; void *p; }){1, (unsigned long[]){0x7fff000000000006ul}}));
    REFUSED("execveat", syscall(SYS_execveat, AT_FDCWD, secret, NULL, NULL, 0));
#ifdef __x86_64__
    long result;
    char *low = (char *)syscall(SYS_mmap, 0, 4096, 3, 0x62, -1, 0);  /* MAP_32BIT: int80 has 32-bit pointers */
    strcpy(low, secret);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory");
    REFUSED("open of i386", (int)result);
    REFUSED("open of x32", syscall(0x40000000 | 2, secret, O_RDONLY));
#endif
    prctl(PR_SET_DUMPABLE, 0);
    path("after PR_SET_DUMPABLE", "%s", secret);
}

static int reaches(int family, void *address, unsigned size) {
    int fd = socket(family, SOCK_STREAM, 0), done = connect(fd, address, size) == 0;
    close(fd);
    return done;
}

static void sockets(int port, const char *abstract, const char *name, int segment) {
    struct sockaddr_in v4 = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}};
    report("a service on 127.0.0.1", reaches(AF_INET, &v4, sizeof v4));
    v4.sin_addr.s_addr = INADDR_ANY;
    report("a service on 0.0.0.0", reaches(AF_INET, &v4, sizeof v4));
    v4.sin_addr.s_addr = htonl(0x7f010203);
    report("a service on 127.1.2.3", reaches(AF_INET, &v4, sizeof v4));
    struct sockaddr_in6 v6 = {AF_INET6, htons(port), 0, IN6ADDR_LOOPBACK_INIT, 0};
    report("a service on ::1", reaches(AF_INET6, &v6, sizeof v6));
    v6.sin6_addr = (struct in6_addr){{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}}};
    report("a service on ::ffff:127.0.0.1", reaches(AF_INET6, &v6, sizeof v6));
    struct sockaddr_un local = {AF_UNIX, ""};
    strncpy(local.sun_path, name, sizeof local.sun_path - 1);
    report("a socket of the machine", reaches(AF_UNIX, &local, sizeof local));
    memset(local.sun_path, 0, sizeof local.sun_path);
    strncpy(local.sun_path + 1, abstract, sizeof local.sun_path - 2);
    report("an abstract socket of the machine", reaches(AF_UNIX, &local, sizeof(sa_family_t) + 1 + strlen(abstract)));
    report("a raw socket", socket(AF_INET, SOCK_RAW, 1) >= 0);
    report("a packet socket", socket(AF_PACKET, SOCK_RAW, 0) >= 0);
    report("a vsock", socket(40, SOCK_STREAM, 0) >= 0);
    report("a shared segment of the machine", shmat(segment, NULL, SHM_RDONLY) != (void *)-1);
    struct shmid_ds facts;
    report("facts of a shared segment", shmctl(segment, IPC_STAT, &facts) == 0);
    report("removing a shared segment", shmctl(segment, IPC_RMID, NULL) == 0);
}

/* --- races: a second thread changes what the supervisor has looked at */

static char raced[4096];
static const char *inner = "/tmp/inner";
static volatile int racing;
static struct sockaddr_in raced_address;
static int raced_port;

static void *flip_path(void *unused) {
    (void)unused;
    while (racing) { strcpy(raced, inner); strcpy(raced, secret); }
    return NULL;
}

static void *flip_directory(void *unused) {
    char outside[4096];
    (void)unused;
    strcpy(outside, secret);
    *strrchr(outside, '/') = 0;
    while (racing) { strcpy(raced, "/tmp"); strcpy(raced, outside); }
    return NULL;
}

static void *flip_stack(void *where) {
    char *low = where;  /* The supervisor writes what the kernel shall read below the caller's stack. */
    size_t size = strlen(secret) + 1;
    while (racing)
        for (char *at = low - 4096; at < low; at++)
            if (memcmp(at, inner + 1, 4) == 0 || memcmp(at, "/inn", 4) == 0) memcpy(at - 4, secret, size);
    return NULL;
}

static void *flip_address(void *unused) {
    (void)unused;
    while (racing) { raced_address.sin_addr.s_addr = htonl(0x0a000001); raced_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK); }
    return NULL;
}

static void race(const char *name, void *(*flip)(void *), int (*attempt)(void)) {
    pthread_t thread;
    time_t end = time(NULL) + RACE_SECONDS;
    int won = 0;
    racing = 1;
    pthread_create(&thread, NULL, flip, __builtin_frame_address(0));
    while (time(NULL) < end && !won) won = attempt();
    racing = 0;
    pthread_join(thread, NULL);
    report(name, won);
}

static int race_open(void) { return tells(open(raced, O_RDONLY)); }
static int race_open_path(void) {
    int fd = open(raced, O_PATH);
    char link[64];
    if (fd < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int won = tells(open(link, O_RDONLY));
    close(fd);
    return won;
}
static void *flip_directories(void *unused) {
    (void)unused;
    char outside[4096];
    strcpy(outside, secret);
    *strrchr(outside, '/') = 0;
    mkdir("/tmp/inside", 0755);
    close(open("/tmp/inside/secret", O_CREAT | O_WRONLY, 0755));
    symlink(outside, "/tmp/outside");
    while (racing) {
        rename("/tmp/inside", "/tmp/swapped"); rename("/tmp/swapped", "/tmp/inside");
        rename("/tmp/outside", "/tmp/swapped"); rename("/tmp/swapped", "/tmp/outside");
        syscall(SYS_renameat2, AT_FDCWD, "/tmp/inside", AT_FDCWD, "/tmp/outside", 2);
    }
    return NULL;
}
static int race_directory(void) { return tells(open("/tmp/inside/secret", O_RDONLY)); }
static int race_directory_execute(void) {
    int status;
    pid_t pid = vfork();
    if (pid == 0) { execl("/tmp/inside/secret", "x", NULL); _exit(1); }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}
static int race_directory_path(void) {
    int fd = open("/tmp/inside/secret", O_PATH), won;
    char link[64];
    if (fd < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    won = tells(open(link, O_RDONLY));
    close(fd);
    return won;
}
static int race_directory_unlink(void) { return unlink("/tmp/inside/precious") == 0; }
static int race_chdir(void) {
    chdir(raced);
    return tells(open(strrchr(secret, '/') + 1, O_RDONLY));
}
static int race_execute(void) {
    int status;
    pid_t pid = vfork();
    if (pid == 0) { execl(raced, raced, NULL); _exit(1); }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}
static int race_connect(void) {
    raced_address.sin_family = AF_INET;
    raced_address.sin_port = htons(raced_port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int won = connect(fd, (void *)&raced_address, sizeof raced_address) == 0;
    close(fd);
    return won;
}
static int race_link(void) {
    unlink("/tmp/swap"); symlink(inner, "/tmp/swap");
    unlink("/tmp/swap"); symlink(secret, "/tmp/swap");
    return tells(open("/tmp/swap", O_RDONLY));
}

int main(int count, char **words) {
    if (count < 7) return 2;
    secret = words[1];
    supervisor = atoi(words[2]);
    raced_port = atoi(words[3]);
    kernel_files();
    paths();
    calls();
    sockets(raced_port, words[4], words[5], atoi(words[6]));
    int fd = open(inner, O_CREAT | O_WRONLY, 0755);
    write(fd, "#!/bin/true\n", 12);
    close(fd);
    strcpy(raced, inner);
    race("race of open", flip_path, race_open);
    race("race of open with O_PATH", flip_path, race_open_path);
    race("race of chdir", flip_directory, race_chdir);
    race("race of execve", flip_path, race_execute);
    race("race of execve below the stack", flip_stack, race_execute);
    race("race of connect", flip_address, race_connect);
    race("race of a symlink", flip_path, race_link);
    race("race of a directory", flip_directories, race_directory);
    race("race of a directory, execve", flip_directories, race_directory_execute);
    race("race of a directory, O_PATH", flip_directories, race_directory_path);
    race("race of a directory, unlink", flip_directories, race_directory_unlink);
    puts("done");
    return 0;
}
