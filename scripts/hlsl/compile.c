/* Gives HLSL to Microsoft's compilers, as wgpu does; for scripts/hlsl-check, which runs it under Wine.
 *
 *   compile LIST PART PARTS     every PARTS-th line of LIST, from PART on
 *
 * A line is: compiler (fxc or dxc), profile, entry point, file, name; tabs between. Prints a line for each that is
 * taken or refused, one for each that took more than five seconds of processor time, and at the end how many there
 * were, how many were refused, and the processor time. Exit 1 if any was refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

typedef struct Blob Blob;
struct Blob {
    struct {
        HRESULT(WINAPI *QueryInterface)(Blob *, REFIID, void **);
        ULONG(WINAPI *AddRef)(Blob *);
        ULONG(WINAPI *Release)(Blob *);
        char *(WINAPI *GetBufferPointer)(Blob *);
        SIZE_T(WINAPI *GetBufferSize)(Blob *);
    } const *calls;
};

typedef HRESULT(WINAPI *D3DCompile)(const void *, SIZE_T, const char *, const void *, void *, const char *, const char *,
                                    UINT, UINT, Blob **, Blob **);

typedef struct {
    const void *text;
    SIZE_T size;
    UINT encoding;
} DxcBuffer;

typedef struct DxcResult DxcResult;
struct DxcResult {
    struct {
        HRESULT(WINAPI *QueryInterface)(DxcResult *, REFIID, void **);
        ULONG(WINAPI *AddRef)(DxcResult *);
        ULONG(WINAPI *Release)(DxcResult *);
        HRESULT(WINAPI *GetStatus)(DxcResult *, HRESULT *);
        HRESULT(WINAPI *GetResult)(DxcResult *, Blob **);
        HRESULT(WINAPI *GetErrorBuffer)(DxcResult *, Blob **);
    } const *calls;
};

typedef struct Dxc Dxc;
struct Dxc {
    struct {
        HRESULT(WINAPI *QueryInterface)(Dxc *, REFIID, void **);
        ULONG(WINAPI *AddRef)(Dxc *);
        ULONG(WINAPI *Release)(Dxc *);
        HRESULT(WINAPI *Compile)(Dxc *, const DxcBuffer *, const WCHAR **, UINT, void *, REFIID, void **);
    } const *calls;
};

static const GUID CLASS_COMPILER = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID ID_COMPILER3 = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID ID_RESULT = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};

#define D3DCOMPILE_ENABLE_STRICTNESS (1u << 11)
#define UTF8 65001

static D3DCompile fxc;
static Dxc *dxc;

static void die(const char *what, const char *which) {
    printf("error: %s %s\n", what, which);
    exit(2);
}

static void *symbol(const char *library, const char *name) {
    HMODULE module = LoadLibraryA(library);
    if (!module)
        die("cannot load", library);
    void *found = (void *)GetProcAddress(module, name);
    if (!found)
        die("cannot find", name);
    return found;
}

static char *read_file(const char *path, SIZE_T *size) {
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot read", path);
    fseek(file, 0, SEEK_END);
    *size = (SIZE_T)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    if (!text || fread(text, 1, *size, file) != *size)
        die("cannot read", path);
    text[*size] = 0;
    fclose(file);
    return text;
}

/* What the compiler has to say is in `said`; 1 if it made something of it. */
static int with_fxc(const char *text, SIZE_T size, const char *entry, const char *profile, Blob **said) {
    Blob *code = NULL;
    HRESULT result = fxc(text, size, NULL, NULL, NULL, entry, profile, D3DCOMPILE_ENABLE_STRICTNESS, 0, &code, said);
    if (code)
        code->calls->Release(code);
    return SUCCEEDED(result);
}

static int with_dxc(const char *text, SIZE_T size, const char *entry, const char *profile, Blob **said) {
    WCHAR wide_entry[128], wide_profile[16];
    MultiByteToWideChar(CP_UTF8, 0, entry, -1, wide_entry, 128);
    MultiByteToWideChar(CP_UTF8, 0, profile, -1, wide_profile, 16);
    const WCHAR *arguments[] = {L"-E",  wide_entry, L"-T",           wide_profile, L"-HV",
                                L"2018", L"-no-warnings", L"-Ges", L"-enable-16bit-types"};
    /* 16 bits came with 6.2. */
    UINT count = strcmp(profile, "cs_6_2") < 0 ? 8 : 9;
    DxcBuffer buffer = {text, size, UTF8};
    DxcResult *result = NULL;
    HRESULT status = dxc->calls->Compile(dxc, &buffer, arguments, count, NULL, &ID_RESULT, (void **)&result);
    if (FAILED(status) || !result)
        return 0;
    result->calls->GetErrorBuffer(result, said);
    result->calls->GetStatus(result, &status);
    result->calls->Release(result);
    /* wgpu takes any word for a refusal. */
    return SUCCEEDED(status) && !(*said && (*said)->calls->GetBufferSize(*said) > 1);
}

/* What stands before `end` in *rest, which goes on after it. */
static char *until(char **rest, char end) {
    char *start = *rest, *found = start ? strchr(start, end) : NULL;
    if (found)
        *found = 0;
    *rest = found ? found + 1 : NULL;
    return start;
}

/* Seconds of processor time so far: what a busy machine does not change. */
static double seconds(void) {
    FILETIME made, ended, kernel, user;
    GetProcessTimes(GetCurrentProcess(), &made, &ended, &kernel, &user);
    return (user.dwLowDateTime + 4294967296.0 * user.dwHighDateTime) / 1e7;
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc != 4)
        die("usage:", "compile LIST PART PARTS");
    long part = atol(argv[2]), parts = atol(argv[3]);
    fxc = (D3DCompile)symbol("d3dcompiler_47.dll", "D3DCompile");
    HRESULT(WINAPI * create)(REFIID, REFIID, void **) = symbol("dxcompiler.dll", "DxcCreateInstance");
    if (FAILED(create(&CLASS_COMPILER, &ID_COMPILER3, (void **)&dxc)))
        die("no instance of", "dxcompiler.dll");

    SIZE_T length;
    char *rest = read_file(argv[1], &length), *line;
    long number = 0, done = 0, refused = 0;
    while ((line = until(&rest, '\n')) && *line) {
        if (number++ % parts != part)
            continue;
        char *compiler = until(&line, '\t'), *profile = until(&line, '\t'), *entry = until(&line, '\t'),
             *file = until(&line, '\t'), *name = line;
        if (!name)
            die("not a line of five:", compiler);
        SIZE_T size;
        char *text = read_file(file, &size);
        Blob *said = NULL;
        double before = seconds();
        int is_fxc = !strcmp(compiler, "fxc");
        int taken = (is_fxc ? with_fxc : with_dxc)(text, size, entry, profile, &said);
        double took = seconds() - before;
        done++;
        if (!taken) {
            refused++;
            printf("REFUSED\t%s %s\t%s\t%s\t%.*s\n", compiler, profile, file, name,
                   said ? (int)said->calls->GetBufferSize(said) : 0, said ? said->calls->GetBufferPointer(said) : "");
        } else {
            printf("taken\t%s\n", file);
        }
        if (took > 5) {
            printf("slow\t%s %s\t%s\t%s\t%.1f s\n", compiler, profile, file, name, took);
        }
        if (said)
            said->calls->Release(said);
        free(text);
    }
    printf("done\t%ld\t%ld\t%.0f s\n", done, refused, seconds());
    return refused > 0;
}
