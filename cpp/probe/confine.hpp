#ifndef __DCOS_BITS_PROBE_CONFINE_HPP__
#define __DCOS_BITS_PROBE_CONFINE_HPP__

#include <string>
#include <vector>

namespace probe {

// What happens in the child between `fork` and `execve`: gives up privileges,
// files, output and environment, accepts limits, and executes this program anew
// with `arguments`. `channel` becomes CHANNEL; `libraries` is the directory that
// the loader searches first.
[[noreturn]] void confine(
    int channel,
    const std::vector<std::string>& arguments,
    const std::string& libraries);

} // namespace probe {

#endif // __DCOS_BITS_PROBE_CONFINE_HPP__
