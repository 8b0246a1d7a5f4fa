#include "child.hpp"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>

#include <cstddef>
#include <cstdint>

#include <mesos/module.hpp>

using mesos::modules::ModuleBase;

using std::string;
using std::vector;

namespace probe {

// No field of a record needs more, and an unterminated one ends here.
static const size_t LONGEST = 4096;


static void append(string* bytes, const string& part)
{
  const uint32_t length = static_cast<uint32_t>(part.size());

  bytes->append(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes->append(part);
}


// Cuts a part off; false if it is not all there.
static bool cut(string* bytes, string* part)
{
  uint32_t length = 0;

  if (bytes->size() < sizeof(length)) {
    return false;
  }

  ::memcpy(&length, bytes->data(), sizeof(length));

  if (bytes->size() - sizeof(length) < length) {
    return false;
  }

  *part = bytes->substr(sizeof(length), length);
  bytes->erase(0, sizeof(length) + length);

  return true;
}


bool take(string* bytes, Message* message)
{
  string whole;

  if (!cut(bytes, &whole)) {
    return false;
  }

  message->clear();

  string part;
  while (cut(&whole, &part)) {
    message->push_back(part);
  }

  return true;
}


static void tell(const Message& message)
{
  string parts;
  for (const string& part : message) {
    append(&parts, part);
  }

  string bytes;
  append(&bytes, parts);

  // The parent reads all the time; if it is gone, so is the reason to go on.
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t written =
      ::write(CHANNEL, bytes.data() + sent, bytes.size() - sent);

    if (written <= 0) {
      ::_exit(1);
    }

    sent += static_cast<size_t>(written);
  }
}


// The text behind a field of a record, which may point anywhere: reading it may
// end this process, and the parent then says during which step.
static string text(const char* field)
{
  return field == nullptr ? "" : string(field, ::strnlen(field, LONGEST));
}


static void inspect(void* handle, const string& symbol)
{
  tell({STEP, "reading the record of module `" + symbol + "`"});

  const void* found = ::dlsym(handle, symbol.c_str());

  if (found == nullptr) {
    tell({MISSING, symbol});
    return;
  }

  const ModuleBase* record = static_cast<const ModuleBase*>(found);

  string compatible;
  if (record->compatible != nullptr) {
    compatible = record->compatible() ? "yes" : "no";
  }

  tell({
      MODULE,
      symbol,
      text(record->moduleApiVersion),
      text(record->mesosVersion),
      text(record->kind),
      text(record->authorName),
      text(record->authorEmail),
      text(record->description),
      compatible});
}


// Why the last `dlopen` failed.
static string reason()
{
  const char* message = ::dlerror();

  return message == nullptr ? "no reason given" : message;
}


int child(const string& mesos, const string& library, const vector<string>& symbols)
{
  // Nobody of the same user may look into this process, and it keeps no core.
  ::prctl(PR_SET_DUMPABLE, 0);

  // The loader has read its path by now; the library is to see nothing.
  ::clearenv();

  tell({STEP, LOADING_MESOS});

  // As the hosts do: Mesos first, for all to see, its symbols bound when they
  // are needed (not all of a libmesos's can be bound everywhere).
  if (::dlopen(mesos.c_str(), RTLD_LAZY | RTLD_GLOBAL) == nullptr) {
    tell({FAILED, reason()});
    return 1;
  }

  tell({STEP, "loading the library"});

  // Mesos opens modules with everything bound at once, so that is the test.
  void* handle = ::dlopen(library.c_str(), RTLD_NOW);

  if (handle == nullptr) {
    tell({FAILED, reason()});
    return 1;
  }

  for (const string& symbol : symbols) {
    inspect(handle, symbol);
  }

  tell({DONE});

  // Not through `exit`: what the libraries want to do at the end is not asked.
  ::_exit(0);
}

} // namespace probe {
