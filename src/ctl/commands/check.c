#include "ctl/commands/table.h"
#include "ctl/say.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* Who is no administrator has no sbin in the path. */
static const char *const places[] = {"allowd", "/usr/local/sbin/allowd", "/usr/sbin/allowd"};

static enum ctl_exit run(const struct job *job)
{
    (void)fflush(stdout);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        execlp(places[i], "allowd", "-t", "-c", job->words[0], (char *)NULL);
    say("allowd, which checks the file, cannot be run here: %s; is it installed, and in the PATH?",
        strerror(errno));
    return CTL_FAILED;
}

const struct command command_check = {
    .name = "check",
    .arguments = "FILE",
    .text = "check a configuration by allowd -t: 0 says it is fine, 6 it is not",
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
