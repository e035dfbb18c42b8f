#include "migrate/from_nginx.h"

#include "migrate/yaml.h"

bool from_nginx_tree(struct tree *tree, const char *name, FILE *out, struct complaint *complaint)
{
    struct limit_reqs found;
    struct plans plans;
    if (!limit_req_find(tree, &found, complaint) || !plans_make(tree, &found, &plans, complaint))
        return false;
    if (plans.plans == NULL)
        return complain(
            complaint, name, 0,
            "has no limit_req line, nor do the files that it includes; give the file that has, or nginx.conf");
    yaml_write(out, name, tree, &found, &plans);
    return true;
}

bool from_nginx(const char *path, FILE *out, struct complaint *complaint)
{
    struct tree tree;
    bool is_written =
        tree_read(&tree, path, complaint) && from_nginx_tree(&tree, path, out, complaint);
    tree_release(&tree);
    return is_written;
}
