#ifndef __DCOS_BITS_PROBE_CHILD_HPP__
#define __DCOS_BITS_PROBE_CHILD_HPP__

#include <string>
#include <vector>

namespace probe {

// Where the child writes what it finds, and the parent reads it.
const int CHANNEL = 3;

// The first argument of a child; nobody else says this.
const char CHILD[] = "--confined-child";

// What the child tells, each in a message of its own (see `Message`).
const char STEP[] = "step";       // what it does next
const char FAILED[] = "failed";   // why it cannot go on
const char MISSING[] = "missing"; // a symbol
const char MODULE[] = "module";   // a symbol, the six strings, its own check
const char DONE[] = "done";

// The steps, as far as the parent tells them apart.
const char LOADING_MESOS[] = "loading Mesos";


// Parts of a message: first what it is, then what belongs to it. On the wire
// each part has a length of four bytes before it, and so has the whole.
typedef std::vector<std::string> Message;


// Takes the first whole message off `bytes`; false if there is none yet.
bool take(std::string* bytes, Message* message);


// Gives up what the library must not have, then loads Mesos and the library and
// tells over CHANNEL what is in it. Runs in a process of its own.
int child(const std::string& mesos,
          const std::string& library,
          const std::vector<std::string>& symbols);

} // namespace probe {

#endif // __DCOS_BITS_PROBE_CHILD_HPP__
