// The system's certificates, read when the first HTTPS server has to be judged.
//
// libtorrent has OpenSSL parse the whole bundle (a hundred and more) whenever a session begins: 30 to
// 70 ms and 1.3 MiB, for nothing where no tracker and no web seed speaks HTTPS. libtorrent offers no say
// in this, so the one call that it makes for it is answered here: the program's own definition comes
// before a shared library's. Trust is the same, file before directory, SSL_CERT_FILE and SSL_CERT_DIR
// included. Where libtorrent is linked so that its call does not come here, it reads them all as ever.
// See docs/decisions/0011-certificates-when-needed.md.
#include "certificates.h"

#ifdef TORRENT_USE_OPENSSL

#include <mutex>
#include <new>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

namespace {

// The bundle of one store, and whether it was read.
struct Bundle {
    std::once_flag read;
    X509_LOOKUP* file = nullptr;
};

Bundle* bundle_of(X509_LOOKUP const* lookup)
{
    return static_cast<Bundle*>(X509_LOOKUP_get_method_data(lookup));
}

// Holds the store's lock: what a search finds is ours to use for as long.
class Locked {
public:
    explicit Locked(X509_STORE* store) : store_(store) { X509_STORE_lock(store_); }
    ~Locked() { X509_STORE_unlock(store_); }
    Locked(Locked const&) = delete;
    Locked& operator=(Locked const&) = delete;

private:
    X509_STORE* store_;
};

// Gives `found` to the caller, who takes a reference of its own: the store keeps the one we borrow.
bool lend(X509_OBJECT const* found, X509_LOOKUP_TYPE kind, X509_OBJECT* to)
{
    if (found == nullptr) return false;
    if (kind == X509_LU_X509) {
        X509* const certificate = X509_OBJECT_get0_X509(found);
        if (X509_OBJECT_set1_X509(to, certificate) == 0) return false;
        X509_free(certificate);
        return true;
    }
    X509_CRL* const revoked = X509_OBJECT_get0_X509_CRL(found);
    if (X509_OBJECT_set1_X509_CRL(to, revoked) == 0) return false;
    X509_CRL_free(revoked);
    return true;
}

// Asked for every name that the store does not have.
int by_subject(X509_LOOKUP* lookup, X509_LOOKUP_TYPE kind, X509_NAME const* name, X509_OBJECT* to)
{
    if (kind != X509_LU_X509 && kind != X509_LU_CRL) return 0;
    Bundle& bundle = *bundle_of(lookup);
    std::call_once(bundle.read, [&bundle] {
        // A missing bundle is no error of the connection: the directory comes next.
        ERR_set_mark();
        X509_LOOKUP_load_file(bundle.file, nullptr, X509_FILETYPE_DEFAULT);
        ERR_pop_to_mark();
    });
    X509_STORE* const store = X509_LOOKUP_get_store(lookup);
    Locked const locked(store);
    auto* const objects = X509_STORE_get0_objects(store);
    return lend(X509_OBJECT_retrieve_by_subject(objects, kind, name), kind, to) ? 1 : 0;
}

int begin(X509_LOOKUP* lookup)
{
    auto* const bundle = new (std::nothrow) Bundle;
    return bundle != nullptr && X509_LOOKUP_set_method_data(lookup, bundle) != 0 ? 1 : 0;
}

void end(X509_LOOKUP* lookup) { delete bundle_of(lookup); }

// Lives as long as the process, as the stores do that point to it.
X509_LOOKUP_METHOD* on_first_need()
{
    static X509_LOOKUP_METHOD* const method = [] {
        X509_LOOKUP_METHOD* const made = X509_LOOKUP_meth_new("read on first need");
        if (made != nullptr) {
            X509_LOOKUP_meth_set_new_item(made, begin);
            X509_LOOKUP_meth_set_free(made, end);
            X509_LOOKUP_meth_set_get_by_subject(made, by_subject);
        }
        return made;
    }();
    return method;
}

// The same places in the same order as X509_STORE_set_default_paths, none of them read.
bool read_on_first_need(X509_STORE* store)
{
    auto* const file = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (file == nullptr || on_first_need() == nullptr) return false;
    auto* const bundle = X509_STORE_add_lookup(store, on_first_need());
    if (bundle == nullptr) return false;
    bundle_of(bundle)->file = file;
    auto* const directory = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());
    if (directory == nullptr) return false;
    ERR_set_mark();
    X509_LOOKUP_add_dir(directory, nullptr, X509_FILETYPE_DEFAULT);
    ERR_pop_to_mark();
    return true;
}

}  // namespace

// What libtorrent calls when a session begins, under OpenSSL's own name.
extern "C" int SSL_CTX_set_default_verify_paths(SSL_CTX* context)
{
    X509_STORE* const store = SSL_CTX_get_cert_store(context);
    return read_on_first_need(store) ? 1 : X509_STORE_set_default_paths(store);
}

#endif

// A linker leaves out a file of which nothing is asked.
void cove::read_certificates_when_needed() {}
